"""`python -m workers.paper_exchange`: the same as the management command, in a third of its memory."""

import sys
from argparse import ArgumentParser

from workers.paper_exchange.arguments import add_arguments, serve
from workers.paper_exchange.startup import StartError

parser = ArgumentParser("paper_exchange", description="An exchange with paper money.")
add_arguments(parser)
try:
    serve(parser.parse_args())
except StartError as error:
    sys.exit(f"paper exchange: {error}")
