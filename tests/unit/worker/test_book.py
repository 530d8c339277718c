"""What a bridge sends to its cluster, and what the end of a task makes of its requests."""

from __future__ import annotations

from foldward.worker.cluster.book import Book, Item


def items(*names: str) -> list[Item]:
    return [Item(name, name.encode()) for name in names]


def names(task) -> list[str]:
    return [item.request_id for item in task.items]


def drawn(book: Book) -> list[list[str]]:
    tasks = []
    while (task := book.next()) is not None:
        tasks.append(names(task))
    return tasks


def test_few_requests_are_spread_over_the_free_slots():
    book = Book(4)
    book.take(items("a", "b", "c"))
    assert drawn(book) == [["a"], ["b"], ["c"]]


def test_many_requests_share_tasks_evenly():
    book = Book(4)
    book.take(items(*"abcdefghij"))
    assert drawn(book) == [["a", "b", "c"], ["d", "e", "f"], ["g", "h"], ["i", "j"]]
    assert (book.tasks, book.out, book.waiting) == (4, 10, 0)


def test_no_more_tasks_are_out_than_slots_and_none_holds_more_than_fifty():
    book = Book(1)
    book.take(items(*(f"r{n}" for n in range(120))))
    assert [len(task) for task in drawn(book)] == [50]
    assert book.waiting == 70
    book.done(1, 0.05)
    assert [len(task) for task in drawn(book)] == [50]


def test_slow_requests_go_out_in_small_tasks():
    book = Book(1)
    book.take(items(*(f"r{n}" for n in range(40))))
    assert [len(task) for task in drawn(book)] == [40]
    book.done(1, 4.0)  # 0.1 s each: five make half a second
    book.take(items(*(f"q{n}" for n in range(40))))
    assert [len(task) for task in drawn(book)] == [5]
    book.done(2, 50.0)
    assert [len(task) for task in drawn(book)] == [1]


def test_a_task_names_each_series_once():
    book = Book(1)
    book.take([Item("a", b"", ("y", "x")), Item("b", b"", ("x",)), Item("c", b"")])
    task = book.next()
    assert task is not None
    assert task.series == ("x", "y")


def test_a_task_lost_with_its_node_goes_out_as_it_was_and_first():
    book = Book(1)
    book.take(items("a", "b"))
    drawn(book)
    book.take(items("c"))
    assert book.lost(1, "node", "gone") == []
    assert drawn(book) == [["a", "b", "c"]]


def test_requests_of_a_process_that_died_go_out_alone():
    book = Book(2)
    book.take(items("a", "b", "c", "d"))
    assert drawn(book) == [["a", "b"], ["c", "d"]]
    assert book.lost(1, "process", "killed") == []
    assert drawn(book) == [["a"]]
    book.done(2, 0.01)
    assert drawn(book) == [["b"]]


def test_the_third_death_of_a_process_on_one_request_alone_ends_it():
    book = Book(1)
    book.take(items("a"))
    for attempt in (1, 2):
        drawn(book)
        assert book.lost(attempt, "process", "signal 11") == []
    drawn(book)
    (given_up,) = book.lost(3, "process", "signal 11")
    assert (given_up.item.request_id, given_up.code) == ("a", "supervision.crash_loop")
    assert given_up.message == "3 processes of the cluster died on it; the last: signal 11"
    assert book.waiting == book.out == 0


def test_a_request_that_eats_the_memory_three_times_is_named_for_it():
    book = Book(1)
    book.take(items("a"))
    ends = []
    for attempt in (1, 2, 3):
        drawn(book)
        ends += book.lost(attempt, "memory", "12 GB")
    assert [gone.code for gone in ends] == ["engine.memory"]


def test_a_death_in_company_is_nobodys_alone():
    book = Book(1)
    book.take(items("a", "b"))
    for attempt in (1,):
        drawn(book)
        book.lost(attempt, "process", "killed")
    assert drawn(book) == [["a"]]
    book.done(2, 0.01)
    assert drawn(book) == [["b"]]
    assert book.lost(3, "process", "killed") == []  # its first death alone


def test_a_cluster_that_loses_every_node_gives_a_request_back_to_core():
    book = Book(1)
    book.take(items("a"))
    ends = []
    for attempt in range(1, 101):
        assert drawn(book) == [["a"]]
        ends += book.lost(attempt, "node", "gone")
    assert [gone.code for gone in ends] == ["supervision.worker_lost"]
