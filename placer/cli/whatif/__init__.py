"""``placer whatif``: questions about a placed fleet."""

import typer

from placer.cli.whatif.compare import compare
from placer.cli.whatif.fail_each import fail_each
from placer.cli.whatif.frontier import frontier
from placer.cli.whatif.headroom import headroom
from placer.cli.whatif.run import run
from placer.cli.whatif.sweep import sweep

app = typer.Typer(
    name="whatif",
    help="Ask what would be: hosts fail, domains come, figures change.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
app.command()(run)
app.command("fail-each")(fail_each)
app.command()(headroom)
app.command()(frontier)
app.command()(sweep)
app.command()(compare)
