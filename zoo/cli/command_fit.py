"""`zoo fit`: one run."""

from typing import Annotated

import typer

from zoo.cli import options, screen
from zoo.cli.request import patience_of
from zoo.cli.session import session_of
from zoo.grid import GridRecipe, parse_split

Backbone = Annotated[
    str, typer.Option("--backbone", "-b", metavar="NAME", help="Backbone, such as efficientnetb0:size=160.")
]
Head = Annotated[str, typer.Option("--head", "-H", metavar="NAME", help="Head.")]
Policy = Annotated[
    str, typer.Option("--policy", "-p", metavar="NAME", help="Fine-tuning policy, such as unfreeze-top-k:k=2.")
]
Augmentation = Annotated[str, typer.Option("--augment", metavar="NAME", help="Augmentation of training pictures.")]
