"""Reading a form: URL-encoded, small, nothing else."""

from __future__ import annotations

from urllib.parse import parse_qs

from starlette.exceptions import HTTPException
from starlette.requests import Request

MAX_BYTES = 256 * 1024
MAX_FIELDS = 2_000

Form = dict[str, list[str]]


async def read_form(request: Request) -> Form:
    """Field → its values. Raises HTTPException 413, 415 or 400."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/x-www-form-urlencoded":
        raise HTTPException(415, "A form is application/x-www-form-urlencoded")
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BYTES:
            raise HTTPException(413, f"A form has at most {MAX_BYTES:,} bytes")
    try:
        return parse_qs(body.decode("ascii"), keep_blank_values=True, max_num_fields=MAX_FIELDS)
    except (UnicodeDecodeError, ValueError) as error:
        raise HTTPException(400, "This form cannot be read") from error


def first(form: Form, field: str, default: str = "") -> str:
    """The first value of a field."""
    return form.get(field, [default])[0]
