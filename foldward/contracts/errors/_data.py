"""Candles or files break the data contract."""

from __future__ import annotations

from foldward.contracts.errors._base import FoldwardError, declare


class DataError(FoldwardError):
    """Candles or a file break the data contract."""

    family = "data"
    exit_code = 7


declare("data.missing_file", "The file does not exist.", "check the path", fault="data")
declare("data.not_a_file", "The path is a directory or a device.", "name a file", fault="data")
declare(
    "data.unreadable",
    "The file cannot be read.",
    "check its permissions and that it is what its ending says",
    fault="data",
)
declare("data.empty", "The file has no bytes.", "export the data again", fault="data")
declare("data.no_rows", "The file has a header and no rows.", "export the data again", fault="data")
declare("data.encoding", "The text is not UTF-8.", "save the file as UTF-8", fault="data")
declare(
    "data.missing_column",
    "A required column is absent.",
    "the header needs timestamp, open, high, low, close, volume",
    fault="data",
)
declare("data.duplicate_column", "Two columns have the same meaning.", "remove one of them", fault="data")
declare(
    "data.cell_count", "A row has too many or too few cells.", "compare the row with the header", fault="data"
)
declare("data.not_numeric", "A cell is not a number.", "correct the cell", fault="data")
declare("data.not_finite", "A cell is infinite or not a number.", "remove or correct the row", fault="data")
declare("data.missing_value", "A cell is empty.", "remove or correct the row", fault="data")
declare("data.not_positive", "A price is zero or negative.", "correct the price", fault="data")
declare("data.negative_volume", "A volume is negative.", "correct the volume", fault="data")
declare(
    "data.zero_volume",
    "A bar has no volume.",
    "nothing to do if the market was closed or quotes carry no volume",
    fault="data",
)
declare(
    "data.geometry",
    "A bar's low, open, close and high are not in order.",
    "correct the row, or foldward data repair FILE --out NEW",
    fault="data",
)
declare("data.bad_time", "A time cannot be read.", "use Unix seconds or ISO-8601 with a zone", fault="data")
declare("data.naive_time", "A time has no zone.", "add Z or an offset, or declare --utc", fault="data")
declare(
    "data.ambiguous_time",
    "A time cannot be told from another unit or format.",
    "milliseconds: foldward data repair FILE --out NEW; else write ISO-8601 with a zone",
    fault="data",
)
declare(
    "data.unsorted",
    "Times do not increase.",
    "sort the rows by time, or foldward data repair FILE --out NEW",
    fault="data",
)
declare("data.duplicate", "A row stands twice.", "foldward data repair FILE --out NEW", fault="data")
declare(
    "data.conflict",
    "Two different rows have the same time.",
    "decide which is right and remove the other",
    fault="data",
)
declare("data.spacing", "Rows are not evenly spaced for the timeframe.", "check --timeframe", fault="data")
declare("data.gap", "Bars are missing inside the calendar.", "fetch the missing bars", fault="data")
declare(
    "data.outlier",
    "A price jumps far outside its neighbourhood (a split shows as one).",
    "adjust the series, or accept it with --allow data.outlier",
    fault="data",
)
declare("data.stale", "The same bar repeats.", "fetch the data again", fault="data")
declare("data.future", "The last bar lies in the future or is unfinished.", "drop the last bar", fault="data")
declare(
    "data.too_few_rows",
    "The window holds too few bars for the strategy.",
    "give more history or shorter periods",
    fault="data",
)
declare(
    "data.refused",
    "The data gate refused the candles of this request.",
    "foldward data check FILE",
    fault="data",
)
declare(
    "data.not_found",
    "No candles are known for the symbol and timeframe.",
    "foldward data import FILE, or name a data root that holds SYMBOL_TF.csv",
    fault="data",
)
declare(
    "data.outside_root",
    "The path is outside the declared data roots.",
    "add the folder to core.data_roots",
    fault="data",
)
declare(
    "data.corrupt",
    "A cache entry does not have the content its name says.",
    "it was quarantined; the source is read again",
    fault="machine",
    retryable=True,
)
