%% How long a real OTP supervisor takes from a crash to an answer of the replacement.
%% Prints two medians in microseconds: crash reports off; crash reports made by a handler that drops them.
-module(restart).
-behaviour(supervisor).
-export([main/0, init/1, start_worker/0, work/0, log/2]).

init([]) ->
    {ok, {#{strategy => one_for_one, intensity => 1000000, period => 1},
          [#{id => worker, start => {?MODULE, start_worker, []}}]}}.

start_worker() ->
    proc_lib:start_link(?MODULE, work, []).

work() ->
    register(worker, self()),
    proc_lib:init_ack({ok, self()}),
    loop().

loop() ->
    receive
        boom -> exit(crash);
        {ask, From} -> From ! answer, loop()
    end.

ask(Old) ->
    case whereis(worker) of
        undefined -> erlang:yield(), ask(Old);
        Old -> erlang:yield(), ask(Old);
        New -> New ! {ask, self()}, receive answer -> ok end
    end.

once() ->
    Old = whereis(worker),
    Start = erlang:monotonic_time(nanosecond),
    worker ! boom,
    ask(Old),
    erlang:monotonic_time(nanosecond) - Start.

median(Count) ->
    Times = lists:sort([once() || _ <- lists:seq(1, Count)]),
    lists:nth(Count div 2, Times) / 1000.

%% a logger handler that takes the report and formats it, as the default one does, but prints nothing
log(Event, _Config) ->
    _ = iolist_size(unicode:characters_to_binary(logger_formatter:format(Event, #{}))),
    ok.

main() ->
    process_flag(trap_exit, true),
    {ok, _} = supervisor:start_link(?MODULE, []),
    logger:set_primary_config(level, none),
    _ = median(200),
    Silent = median(2000),
    logger:remove_handler(default),
    logger:add_handler(quiet, ?MODULE, #{}),
    logger:set_primary_config(level, error),
    Reporting = median(2000),
    io:format("~p ~p~n", [Silent, Reporting]),
    halt().
