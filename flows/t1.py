"""T1: simulate flows, learn their solution operators with one transform, test them beside FNO.

laws and files -> operator_data -+-> operator_trials -> operators -+-> operator_scores
                                 |                                 +-> operator_spectra
                                 +---------------------------------+-> operator_fields
"""

from importlib.util import find_spec
from typing import Annotated

from pydantic import BaseModel, Field, field_validator

from data.datasets.pde import FilesConfig, file_digest
from data.lake import TableRef
from data.synthetic.airfoil import AirfoilConfig
from data.synthetic.films import SmokeConfig
from data.synthetic.samples import Part
from data.synthetic.vorticity import NavierStokesConfig
from models.t1.config import ModelConfig, SearchConfig, TrainConfig
from tasks.pipeline import pipeline
from tasks.produces import results
from tasks.t1 import (
    FitConfig,
    operator_fields,
    operator_scores,
    operator_spectra,
    operator_trials,
    operators,
)
from tasks.t1_data import Source, operator_data


class ProblemConfig(BaseModel, frozen=True, extra="forbid"):
    """One data set, and the operators that are fitted to it within equal time."""

    source: Annotated[
        NavierStokesConfig | AirfoilConfig | SmokeConfig | FilesConfig, Field(discriminator="pde")
    ] = Field(default=NavierStokesConfig(), description="the law simulated or the files read")
    resolution: int = Field(
        default=64, description="points along each grid axis; the paper's 64", ge=4
    )
    train: int = Field(default=800, description="train samples; the paper's 1000", ge=1)
    validation: int = Field(default=64, description="validation samples; none in the paper", ge=1)
    test: int = Field(default=128, description="test samples; the paper's 200", ge=1)
    finer: int | None = Field(
        default=None, description="a grid to test on without training on it [points an axis]", ge=4
    )
    finer_test: int = Field(default=32, description="test samples on that grid", ge=1)
    shard: int = Field(default=32, description="most samples a shard", ge=1)
    models: tuple[ModelConfig, ...] = Field(
        default=(ModelConfig(), ModelConfig(model="fno", modes=12)),
        description="operators to fit",
        min_length=1,
    )
    fit: TrainConfig = Field(default=TrainConfig(), description="time and optimisation of each fit")
    search: SearchConfig = Field(
        default=SearchConfig(), description="choice of each operator's learning rate"
    )
    seeds: tuple[int, ...] = Field(default=(0,), description="one fit of each a seed", min_length=1)
    once: tuple[ModelConfig, ...] = Field(
        default=(), description="more operators, fitted with the first seed alone"
    )
    peers: tuple[ModelConfig, ...] = Field(
        default=(), description="likewise operators of other packages, if the run wants `peers`"
    )
    uncopied: bool = Field(
        default=False,
        description="whether `models` are also fitted without copies by symmetry, with the first "
        "seed alone",
    )


class T1Config(BaseModel, frozen=True, extra="forbid"):
    """The problems of a run."""

    problems: tuple[ProblemConfig, ...] = Field(
        default=(
            ProblemConfig(
                source=NavierStokesConfig(final_time=10.0, dt=0.1, modes=10),
                resolution=32,
                train=256,
                validation=32,
                test=64,
                finer=64,
                finer_test=16,
                shard=128,
                models=(
                    ModelConfig(modes=16, width=24, layers=3),
                    ModelConfig(model="fno", modes=12, width=16, layers=3, hidden=32),
                ),
                fit=TrainConfig(seconds=8.0, learning_rate=1e-2, shifts=8),
            ),
        ),
        description="data sets that are simulated, with the operators fitted to each",
        min_length=1,
    )
    files: tuple[ProblemConfig, ...] = Field(
        default=(), description="data sets read from files of `folder`, likewise"
    )
    folder: str = Field(
        default="", description="folder with the neuralop_pde files; empty leaves `files` out"
    )
    peers: bool = Field(
        default=False, description="fit neuraloperator's operators too: needs the extra `peers`"
    )

    @field_validator("peers")
    @classmethod
    def _are_installed(cls, wanted: bool) -> bool:
        """Said before anything is fitted."""
        if wanted and find_spec("neuralop") is None:
            raise ValueError("the package neuraloperator is missing: install the extra 'peers'")
        return wanted


_T1 = ModelConfig(modes=16, width=32, layers=4, hidden=32)
_FNO = ModelConfig(model="fno", modes=12, width=16, layers=4, hidden=32)
_UNET = ModelConfig(model="unet", modes=1, width=12, layers=4)
# On 16 points an axis.
_SMALL = (
    ModelConfig(modes=16, width=32, layers=4, hidden=32),
    ModelConfig(model="fno", modes=8, width=32, layers=4, hidden=64),
)
_PEERS = tuple(
    ModelConfig(model=model, modes=12, width=16, layers=4)
    for model in ("neuraloperator_fno", "neuraloperator_tfno")
)
_RATES = (5e-3, 1e-2, 2e-2)
_BRIEF = SearchConfig(rates=(2e-3, 5e-3, 1e-2), seconds=4.0)
_FILES = (
    ProblemConfig(
        source=FilesConfig(pde="darcy", folder=""),
        resolution=16, train=900, validation=100, test=50, finer=32, finer_test=50, shard=1000,
        models=_SMALL, once=(ModelConfig(model="t1_u", modes=16, width=24, layers=3),),
        fit=TrainConfig(seconds=15.0), search=SearchConfig(rates=(2e-3, *_RATES), seconds=8.0),
        seeds=(0, 1, 2),
    ),
    *(
        ProblemConfig(
            source=FilesConfig(pde=pde, folder=""),
            resolution=16, train=700, validation=100, test=400, shard=1000,
            models=_SMALL, fit=TrainConfig(seconds=15.0),
            search=SearchConfig(rates=(2e-3, *_RATES), seconds=8.0), seeds=(0, 1, 2),
        )
        for pde in ("burgers", "burgers_rollout")
    ),
)  # fmt: skip
_VARIANTS = (
    ModelConfig(modes=24, width=24, layers=4),
    ModelConfig(model="t1_plus", modes=24, width=24, layers=2),
    ModelConfig(model="t1_u", modes=24, width=24, layers=3),
    _FNO,
    _UNET,
)

PROFILES = {
    "quick": T1Config(),
    "standard": T1Config(
        problems=(
            ProblemConfig(
                finer=128,
                finer_test=16,
                models=(_T1, _FNO),
                fit=TrainConfig(seconds=60.0, shifts=8, mirrored=True),
                search=SearchConfig(rates=_RATES, seconds=15.0),
                seeds=(0, 1, 2),
                once=(_UNET,),
                peers=_PEERS,
                uncopied=True,
            ),
            ProblemConfig(
                source=AirfoilConfig(), train=400, models=_VARIANTS,
                fit=TrainConfig(seconds=15.0), search=_BRIEF,
            ),
            ProblemConfig(
                source=SmokeConfig(), train=64, validation=16, test=32, models=_VARIANTS,
                fit=TrainConfig(seconds=15.0), search=_BRIEF,
            ),
        ),
        files=_FILES,
    ),
    # Sizes and training of the published configurations; wants a GPU.
    "paper": T1Config(
        problems=tuple(
            ProblemConfig(
                source=NavierStokesConfig(
                    viscosity=viscosity, final_time=final_time, oversampling=2, dt=0.02,
                    device="cuda",
                ),
                train=1000, validation=64, test=200, finer=128,
                models=(
                    ModelConfig(modes=24, width=48, layers=8),
                    ModelConfig(model="t1_u", modes=24, width=24, layers=5),
                    ModelConfig(model="fno", modes=24, width=32, layers=6),
                    ModelConfig(model="unet", modes=1, width=32, layers=5),
                ),
                fit=TrainConfig(
                    seconds=None, epochs=500, batch=64, learning_rate=1e-3, schedule="halving",
                    device="cuda",
                ),
                seeds=tuple(range(8)),
            )
            for viscosity, final_time in ((1e-3, 50.0), (1e-4, 15.0))
        ),
        files=_FILES,
    ),
}  # fmt: skip


@pipeline("t1")
def t1(config: T1Config = PROFILES["quick"]) -> TableRef:
    """Simulate flows, fit operators to them one at a time, and test them on new flows and grids."""
    data, fitted = [], []
    for problem in (*config.problems, *_readable(config)):
        given = _shards(problem)
        shards = results([operator_data.submit(*one) for one in given])
        data += shards
        # A fit never sees a test sample, not even in its recipe.
        seen = [
            shard for shard, (_, part, _) in zip(shards, given, strict=True) if part.split != "test"
        ]
        fitted += _fitted(seen, problem, peers=config.peers)
    operator_spectra(data, fitted)
    operator_fields(data, fitted)
    return operator_scores(data, fitted)


def _fitted(seen: list[TableRef], problem: ProblemConfig, *, peers: bool) -> list[TableRef]:
    """Every operator of a problem; one after the other, so that equal time is equal work."""
    plain = problem.fit.model_copy(update={"shifts": 1, "mirrored": False})
    one = problem.seeds[:1]
    others = (*problem.once, *(problem.peers if peers else ()))
    wanted = [(model, problem.fit, problem.seeds) for model in problem.models]
    wanted += [(model, problem.fit, one) for model in others]
    if problem.uncopied and plain != problem.fit:
        wanted += [(model, plain, one) for model in problem.models]
    fitted = []
    for model, fit, seeds in wanted:
        first = FitConfig(model=model, train=fit, seed=seeds[0])
        trials = [operator_trials(seen, first, problem.search)] if problem.search.rates else []
        fitted += [
            operators(seen, trials, first.model_copy(update={"seed": seed})) for seed in seeds
        ]
    return fitted


def _readable(config: T1Config) -> list[ProblemConfig]:
    """The problems whose data are files, told the folder; none without one."""
    return [
        problem.model_copy(
            update={"source": problem.source.model_copy(update={"folder": config.folder})}
        )
        for problem in (config.files if config.folder else ())
    ]


def _shards(problem: ProblemConfig) -> list[tuple[BaseModel, Part, str]]:
    """The arguments of every shard's step: all splits, and the test split on the finer grid."""
    made = [
        (problem.source, part)
        for split in ("train", "validation", "test")
        for part in _parts(split, getattr(problem, split), problem.resolution, problem.shard)
    ]
    if problem.finer is not None:
        finer = _stepping_finer(problem.source, problem.finer / problem.resolution)
        parts = _parts("test", problem.finer_test, problem.finer, problem.shard)
        made += [(finer, part) for part in parts]
    return [
        (source, part, file_digest(source, part) if isinstance(source, FilesConfig) else "")
        for source, part in made
    ]


def _parts(split: str, total: int, resolution: int, shard: int) -> list[Part]:
    return [
        Part(split=split, first=first, count=min(shard, total - first), resolution=resolution)
        for first in range(0, total, shard)
    ]


def _stepping_finer(source: Source, ratio: float) -> Source:
    """The same law with a time step that a grid `ratio` times finer is as stable with."""
    if isinstance(source, NavierStokesConfig | SmokeConfig):
        return source.model_copy(update={"dt": source.dt / ratio})
    return source
