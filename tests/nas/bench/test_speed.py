from nas.bench import time_prediction
from nas.campaign.crew import Crew
from nas.campaign.profiling import profile
from tests.latency_lut.networks import tiny_space
from tests.nas.arithmetic_rig import arithmetic_rig


def test_the_speed_of_prediction_is_told_with_what_it_rests_on(tmp_path):
    with arithmetic_rig(tmp_path, tiny_space()) as rig:
        profile(Crew([rig]))
        found = time_prediction(rig.space, lambda: rig.store.lut(rig.profile.id), seed=0)
    assert found["entries"] == 7
    assert found["complete"] == 1.0
    assert found["LUT loaded in s"] > 0
    assert 0 < found["slowest round"] <= found["architectures/s"]
