from pathlib import Path

from data.lake import Lake
from tasks.planning import planning
from tests.tasks.toy import ToyConfig, Warm, cold, first, toy, twice, warm


def planned(config):
    with planning() as lines:
        toy(config)
    return [(line.hit, line.reasons) for line in lines]


def compute(config, lake_url):
    """Publishes the flow's two tables as a run would, without Prefect."""
    lake = Lake(lake_url)

    def publish(step, **arguments):
        made = step.recipe(arguments)
        rows = step.fn(**arguments)
        return lake.publish(
            step.contract, rows, recipe=made.digest, fields=made.fields, inputs=made.inputs
        )

    made_first = publish(cold, config=first(config))
    settings = Warm(log=config.log, celsius=config.celsius)
    return made_first, publish(warm, cold=made_first, config=settings)


def test_nothing_is_there_at_first_and_nothing_runs(tmp_path):
    log = tmp_path / "log"
    assert planned(ToyConfig(log=str(log))) == [
        (False, ("never computed",)),
        (False, ("never computed",)),
    ]
    assert not log.exists()


def test_what_was_computed_is_a_hit(tmp_path, lake_url):
    config = ToyConfig(log=str(tmp_path / "log"))
    compute(config, lake_url)
    assert planned(config) == [(True, ()), (True, ())]


def test_a_changed_field_is_named_where_it_matters_and_only_there(tmp_path, lake_url):
    config = ToyConfig(log=str(tmp_path / "log"))
    compute(config, lake_url)
    changed = config.model_copy(update={"celsius": 2.5})
    assert planned(changed) == [(True, ()), (False, ("config.celsius: 1.5 -> 2.5",))]


def test_what_reads_a_miss_is_a_miss(tmp_path, lake_url):
    config = ToyConfig(log=str(tmp_path / "log"))
    compute(config, lake_url)
    [first_line, second_line] = planned(config.model_copy(update={"rows": 4}))
    assert first_line == (False, ("config.rows: 3 -> 4",))
    assert second_line == (False, ("reads measurements, a MISS",))


def test_a_damaged_file_is_a_miss_that_names_it(tmp_path, lake_url):
    config = ToyConfig(log=str(tmp_path / "log"))
    damaged, _ = compute(config, lake_url)
    lake = Lake(lake_url)
    [path] = lake.paths(lake.commit_of(damaged))
    Path(path).unlink()
    [first_line, second_line] = planned(config)
    assert first_line == (False, (f"{path} is gone",))
    assert second_line == (False, ("reads measurements, a MISS",))


def test_submitted_steps_are_planned_too(tmp_path):
    with planning() as lines:
        twice(ToyConfig(log=str(tmp_path / "log")))
    assert [line.hit for line in lines] == [False, False]
