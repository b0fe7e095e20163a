"""Where the links in the stack's alerts lead: to its own ports, or where the settings say."""

from collections.abc import Mapping

from app.core.config import Links, load_settings
from app.core.environment import SettingsError
from stack.backend import StackError


def chosen(ports: Mapping[str, int], *, with_grafana: bool) -> Links:
    """The links for ``ports``; ORCHESTRATOR_LINKS__… come first. Raises StackError.

    Without Grafana the simulator's receiver answers for it, with the pictures of `make preview`.
    """
    try:
        settings = load_settings().links
    except SettingsError as error:
        raise StackError(str(error)) from None
    receiver = f"http://127.0.0.1:{ports['RECEIVER_PORT']}"
    grafana = f"http://127.0.0.1:{ports['GRAFANA_PORT']}" if with_grafana else receiver
    of_the_stack = {"runbooks_url": f"{receiver}/runbooks", "grafana_url": grafana}
    set_by_hand = {name: getattr(settings, name) for name in settings.model_fields_set}
    return Links(**of_the_stack | set_by_hand)
