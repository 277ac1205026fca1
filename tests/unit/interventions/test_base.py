import torch

from scr_lens.interventions.base import Identity, Intervention


def test_identity_returns_the_same_object_at_every_layer() -> None:
    resid = torch.randn(1, 2, 3)
    assert all(Identity()(resid, layer) is resid for layer in range(3))
    assert Identity().layers is None


def test_identity_is_an_intervention_and_a_tensor_is_not() -> None:
    assert isinstance(Identity(), Intervention)
    assert not isinstance(torch.zeros(1), Intervention)
