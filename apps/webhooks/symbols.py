"""Which of an exchange's symbols a webhook means: charts write pairs without what separates them."""

from apps.brokers.models import Broker
from apps.markets.models import Symbol
from apps.webhooks.reading import BadBody, Message


def find_symbol(broker: Broker, message: Message) -> Symbol:
    """The broker's symbol of that name; raises BadBody where there is none, or more than one."""
    names = [
        f"{message.symbol[:cut]}/{message.symbol[cut:]}" for cut in range(1, len(message.symbol))
    ]
    if message.base:
        names = [f"{message.base}/{message.quote}"]
    # Every way to cut it, so that the index finds them.
    found = list(
        Symbol.objects.filter(
            exchange=broker.exchange, environment=broker.environment, name__in=names
        )
    )
    if not found:
        words = f"{broker.get_exchange_display()} lists no {message.symbol}."
        raise BadBody(words, field="Symbol")
    if len(found) > 1:
        words = f"{message.symbol} may be {' or '.join(map(str, found))}: send Currency as well."
        raise BadBody(words, field="Symbol")
    return found[0]
