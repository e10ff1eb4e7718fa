"""Orders over WebSocket v2, said in the words of REST, so that both keep the same rules."""

from collections.abc import Callable, Mapping
from decimal import Decimal

from workers.paper_exchange.dialects.kraken import errors, trading
from workers.paper_exchange.dialects.kraken.account_rows import Row
from workers.paper_exchange.dialects.kraken.gateway import Caller, Gateway
from workers.paper_exchange.dialects.kraken.parameters import Parameters, read_moment

_ORDER_WORDS = {
    "order_type": "ordertype",
    "side": "type",
    "order_qty": "volume",
    "symbol": "pair",
    "time_in_force": "timeinforce",
    "cl_ord_id": "cl_ord_id",
    "order_userref": "userref",
    "display_qty": "displayvol",
    "reduce_only": "reduce_only",
    "deadline": "deadline",
    "validate": "validate",
}
_AMEND_WORDS = {
    "order_id": "txid",
    "cl_ord_id": "cl_ord_id",
    "order_qty": "order_qty",
    "display_qty": "display_qty",
    "post_only": "post_only",
    "deadline": "deadline",
}
_EDIT_WORDS = {
    "order_id": "txid",
    "symbol": "pair",
    "order_qty": "volume",
    "limit_price": "price",
    "deadline": "deadline",
    "validate": "validate",
}
#: What may come with an order and changes nothing here.
_IGNORED = {"sender_sub_id", "no_mpp", "token"}
Answer = Row | list[Row]


def add_order(gateway: Gateway, caller: Caller, params: Mapping[str, object]) -> Answer:
    """Place an order."""
    result = trading.add_order(gateway, caller, Parameters(_order(params)))
    return _placed(result.get("txid"), params)


def batch_add(gateway: Gateway, caller: Caller, params: Mapping[str, object]) -> Answer:
    """Place several orders of one market; the first refusal is told."""
    orders = params.get("orders")
    if not isinstance(orders, list) or not all(isinstance(each, dict) for each in orders):
        raise errors.invalid_arguments("orders")
    wanted: dict[str, object] = {
        "pair": params.get("symbol"),
        "orders": [_order(each) for each in orders],
    }
    wanted |= {name: params[name] for name in ("deadline", "validate") if name in params}
    rows = trading.place_batch(gateway, caller, Parameters(wanted))
    answers: list[Row] = []
    for row, order in zip(rows, orders, strict=True):
        answers.append({"error": row["error"]} if "error" in row else _placed(row["txid"], order))
    return answers


def amend_order(gateway: Gateway, caller: Caller, params: Mapping[str, object]) -> Answer:
    """Change an order in place."""
    prices = ("limit_price", "trigger_price")
    kinds = [f"{name}_type" for name in prices]
    plain = {name: value for name, value in params.items() if name not in {*prices, *kinds}}
    fields = _renamed(plain, _AMEND_WORDS)
    for name, kind in zip(prices, kinds, strict=True):
        if name in params:
            fields[name] = _relative(params[name], params.get(kind, "static"), kind)
    result = trading.amend_order(gateway, caller, Parameters(fields))
    names = ("order_id", "cl_ord_id")
    return {**result, **{name: params[name] for name in names if name in params}}


def edit_order(gateway: Gateway, caller: Caller, params: Mapping[str, object]) -> Answer:
    """Replace an order by a changed one."""
    fields = _renamed(params, _EDIT_WORDS)
    if params.get("post_only"):
        fields["oflags"] = "post"
    result = trading.edit_order(gateway, caller, Parameters(fields))
    return {"order_id": result.get("txid"), "original_order_id": result["originaltxid"]}


def cancel_all(gateway: Gateway, caller: Caller, _params: Mapping[str, object]) -> Answer:
    """Cancel everything."""
    return trading.cancel_all(gateway, caller, Parameters({}))


def cancel_all_after(gateway: Gateway, caller: Caller, params: Mapping[str, object]) -> Answer:
    """Cancel everything unless asked again in time."""
    wanted = {"timeout": params.get("timeout")}
    return trading.cancel_all_after(gateway, caller, Parameters(wanted))


def batch_cancel(gateway: Gateway, caller: Caller, params: Mapping[str, object]) -> Answer:
    """Cancel several orders."""
    wanted = {"orders": params.get("orders"), "cl_ord_ids": params.get("cl_ord_id")}
    return trading.cancel_order_batch(gateway, caller, Parameters(wanted))


#: Methods with one answer each; a cancel has one for every id.
METHODS: Mapping[str, Callable[[Gateway, Caller, Mapping[str, object]], Answer]] = {
    "add_order": add_order,
    "batch_add": batch_add,
    "amend_order": amend_order,
    "edit_order": edit_order,
    "cancel_all": cancel_all,
    "cancel_all_orders_after": cancel_all_after,
    "batch_cancel": batch_cancel,
}


def cancels(params: Mapping[str, object]) -> list[tuple[Row, Parameters]]:
    """The single cancels that a request means: how each is answered, and what it says in REST."""
    words = (("order_id", "txid"), ("order_userref", "txid"), ("cl_ord_id", "cl_ord_id"))
    found: list[tuple[Row, Parameters]] = []
    for name, word in words:
        ids = params.get(name) or []
        listed = ids if isinstance(ids, list) else [ids]
        found += [({name: each}, Parameters({word: str(each)})) for each in listed]
    if not found:
        raise errors.invalid_arguments("order_id")
    return found


def _order(params: Mapping[str, object]) -> dict[str, object]:
    special = {
        *("limit_price", "limit_price_type", "triggers", "conditional", "cash_order_qty"),
        *("fee_preference", "stp_type", "margin", "post_only", "expire_time"),
    }
    plain = {name: value for name, value in params.items() if name not in special}
    fields = _renamed(plain, _ORDER_WORDS) | _prices(params)
    flags = ["post"] if params.get("post_only") else []
    if "cash_order_qty" in params:
        fields["volume"] = _plain(params["cash_order_qty"])
        flags.append("viqc")
    if "fee_preference" in params:
        flags.append("fcib" if params["fee_preference"] == "base" else "fciq")
    if flags:
        fields["oflags"] = ",".join(flags)
    if "expire_time" in params:
        expires_ms = read_moment(str(params["expire_time"]), "expire_time")
        fields["expiretm"] = str(expires_ms // 1000)
    if "stp_type" in params:
        fields["stptype"] = str(params["stp_type"]).replace("_", "-")
    if params.get("margin"):
        raise errors.invalid_arguments("margin")
    return fields | _conditional(params.get("conditional"))


def _prices(params: Mapping[str, object]) -> dict[str, object]:
    triggers, limit = params.get("triggers"), None
    if "limit_price" in params:
        kind = params.get("limit_price_type", "static")
        limit = _relative(params["limit_price"], kind, "limit_price_type")
    if triggers is None:
        return {} if limit is None else {"price": limit}
    if not isinstance(triggers, dict) or triggers.keys() - {"price", "price_type", "reference"}:
        raise errors.invalid_arguments("triggers")
    kind = triggers.get("price_type", "static")
    fields: dict[str, object] = {"price": _relative(triggers.get("price"), kind, "triggers")}
    if "reference" in triggers:
        fields["trigger"] = triggers["reference"]
    return fields if limit is None else fields | {"price2": limit}


def _relative(number: object, kind: object, name: str) -> str:
    """A price as it is, or a distance in percent or in quote from another one."""
    price = _plain(number)
    if kind == "static":
        return price
    if kind not in {"pct", "quote"}:
        raise errors.invalid_arguments(name)
    signed = price if price.startswith("-") else f"+{price}"
    return f"{signed}%" if kind == "pct" else signed


def _conditional(value: object) -> dict[str, object]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise errors.invalid_arguments("conditional")
    if value.keys() - {"order_type", "trigger_price", "limit_price"}:
        raise errors.invalid_arguments("conditional")
    prices = [value[name] for name in ("trigger_price", "limit_price") if name in value]
    fields: dict[str, object] = {"close[ordertype]": value.get("order_type")}
    names = ("close[price]", "close[price2]")
    return fields | {n: _plain(price) for n, price in zip(names, prices, strict=False)}


def _renamed(params: Mapping[str, object], words: Mapping[str, str]) -> dict[str, object]:
    if params.keys() - words.keys() - _IGNORED - {"post_only"}:
        raise errors.invalid_arguments()
    return {words[n]: _plain_or_same(value) for n, value in params.items() if n in words}


def _plain_or_same(value: object) -> object:
    is_number = isinstance(value, int | Decimal) and not isinstance(value, bool)
    return _plain(value) if is_number else value


def _plain(value: object) -> str:
    """A number as REST has it."""
    return f"{value:f}" if isinstance(value, Decimal) else str(value)


def _placed(txid: object, params: Mapping[str, object]) -> Row:
    row: Row = {} if txid is None else {"order_id": txid[0] if isinstance(txid, list) else txid}
    names = ("cl_ord_id", "order_userref")
    return row | {name: params[name] for name in names if name in params}
