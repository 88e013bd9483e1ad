"""Nothing in the catalogue escapes the comparison. Each framework's own tests see to it that all of its map is used."""
import names


def test_every_initializer_is_in_a_framework_or_known_to_be_ours_alone(sower):
    in_a_framework = {*names.TORCH.values(), *names.JAX.values(), *names.KERAS.values()}
    catalogue = {entry["name"] for entry in sower.catalogue()}
    assert not in_a_framework & names.OURS_ALONE
    assert catalogue == in_a_framework | names.OURS_ALONE
