"""Every initializer of the catalogue is compared, or known to be in no framework. The tests of each framework check that its whole map
is compared."""
import names


def test_every_initializer_is_in_a_framework_or_known_to_be_only_in_sower(sower):
    in_a_framework = {*names.TORCH.values(), *names.JAX.values(), *names.KERAS.values()}
    catalogue = {entry["name"] for entry in sower.catalogue()}
    assert not in_a_framework & (names.ONLY_SOWER | names.TABLES)
    assert catalogue == in_a_framework | names.ONLY_SOWER | names.TABLES
