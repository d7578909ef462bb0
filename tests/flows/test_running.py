import pytest

from flows.errors import CallError
from flows.running import config_for, flow_named


def test_settings_change_the_profile():
    config = config_for("lab", "quick", ["spacetime.forecast.lag=96", "evaporate.corpus.seed=3"])
    assert (config.spacetime.forecast.lag, config.evaporate.corpus.seed) == (96, 3)


def test_values_are_json_where_they_can_be():
    config = config_for("spacetime", "quick", ["forecast.horizons=[1, 2]"])
    assert config.forecast.horizons == (1, 2)


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        ("spacetime", "write it as field=value"),
        ("=3", "write it as field=value"),
        (
            "spacetim.forecast.lag=3",
            "no field spacetim, did you mean spacetime?; fields there: eva",
        ),
        ("spacetime.forecast.lagg=3", "no field spacetime.forecast.lagg, did you mean lag?"),
        ("spacetime.forecast.lag.x=3", "no field spacetime.forecast.lag.x; it has no fields"),
        ("spacetime.forecast.lag=long", "spacetime.forecast.lag=long: Input should be a valid int"),
        ("spacetime.forecast.lag=-5", "spacetime.forecast.lag=-5: Input should be greater than"),
        ("spacetime.forecast.lag=25", "--set spacetime.forecast: Value error, lag 25"),
        ("evaporate.induction.tau=1.5", "evaporate.induction.tau=1.5: Input should be less than"),
    ],
)
def test_a_wrong_setting_is_told_with_its_field(setting, told):
    with pytest.raises(CallError) as error:
        config_for("lab", "quick", [setting])
    assert told in str(error.value)


def test_an_unknown_flow_or_profile_is_told():
    with pytest.raises(CallError, match="no flow 'labb', did you mean lab"):
        flow_named("labb")
    with pytest.raises(CallError, match="no profile 'fast'"):
        config_for("lab", "fast", [])


@pytest.mark.parametrize("flow", ["lab", "evaporate", "tart", "spacetime", "helm"])
@pytest.mark.parametrize("profile", ["quick", "standard", "paper"])
def test_every_flow_offers_every_profile(flow, profile):
    assert flow_named(flow).name == flow
    config_for(flow, profile, [])
