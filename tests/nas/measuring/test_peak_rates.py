from device_agents import Inventory, open_steady_session
from nas.measuring.canary import write_canary
from nas.measuring.peak_rates import measure_peak_rates


def test_this_machine_has_peak_rates(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    with open_steady_session(Inventory().get("local"), canary=write_canary(tmp_path)) as session:
        rates = measure_peak_rates(session, tmp_path)
    # Wide enough for any machine that runs tests, narrow enough to see a wrong unit.
    assert 10**8 < rates.flops_per_s < 10**13
    assert 10**8 < rates.bytes_per_s < 10**12
    assert rates.quality in ("good", "noisy", "drifted", "throttled")
    assert not list(tmp_path.glob("peak-*"))
