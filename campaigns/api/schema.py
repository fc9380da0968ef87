"""What every address may answer besides what it is for, added to the OpenAPI description in one place."""

from typing import Any

REFUSAL = {"content": {"application/json": {"schema": {"$ref": "#/components/schemas/Refusal"}}}}
SAFE = ("get", "head", "options")
ALWAYS = {
    "400": "The request says something that cannot be understood: see `fields`.",
    "401": "Not signed in: send the header `Authorization: Token ...`.",
    "404": "There is no such thing, or it is not for you to see.",
    "429": "Too many requests: wait for the seconds in the header `Retry-After`.",
}
CHANGING = {
    "403": "You may look at this, but not change it.",
    "409": "It cannot be done in this state.",
}
ONCE = {
    "412": "It is not what the ETag of `If-Match` names.",
    "422": "The `Idempotency-Key` belongs to another request.",
}
KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "schema": {"type": "string", "maxLength": 200},
    "description": "a text of your choice: sent again with it, the request is answered as before and not carried out twice",
}
MATCH = {
    "name": "If-Match",
    "in": "header",
    "schema": {"type": "string"},
    "description": "the ETag of what is meant to be changed: 412 where it is another by now",
}
WITH_BODY = {
    "413": "The upload is too large.",
    "415": "The body is of a kind that is not read here.",
    "503": "The machine is too busy to read it: send it again after the seconds in the header `Retry-After`.",
}


def document_refusals(result: dict[str, Any], generator: Any, request: Any, public: bool) -> dict[str, Any]:
    """A hook of drf-spectacular: what an operation documents itself stays as it is."""
    for operations in result["paths"].values():
        for method, operation in operations.items():
            possible = ALWAYS | ({} if method in SAFE else CHANGING) | (WITH_BODY if "requestBody" in operation else {})
            answers = operation["responses"]
            if method == "post":
                possible = possible | ONCE
                operation.setdefault("parameters", []).append(KEY)
                if "201" in answers:
                    answers.setdefault("200", answers["201"] | {"description": "It was carried out before, under this key."})
            elif method not in SAFE:
                possible = possible | {"412": "It is not what the ETag of `If-Match` names."}
                operation.setdefault("parameters", []).append(MATCH)
            for status, text in possible.items():
                if status in answers:
                    answers[status].update(description=answers[status].get("description") or text)
                else:
                    answers[status] = {"description": text} | REFUSAL
            if method == "get":
                answers.setdefault("304", {"description": "Not changed since the answer with the ETag of `If-None-Match`."})
    return result
