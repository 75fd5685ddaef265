import latency_lut
from latency_lut import LutError


def test_every_error_of_the_package_has_the_one_base():
    errors = [
        value
        for name in latency_lut.__all__
        if isinstance(value := getattr(latency_lut, name), type) and issubclass(value, Exception)
    ]
    assert len(errors) == 5
    assert all(issubclass(error, LutError) for error in errors)
