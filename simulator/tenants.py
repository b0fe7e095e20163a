"""The tenants: who they are, what they owe, and which of them the simulator itself plays."""

from dataclasses import dataclass
from random import Random
from typing import Self

SIMULATED = 2000
"""How many tenants send SMS."""

_CONVERSATION = "simulated-"
_FIRST_NAMES = ("Aroha", "Ben", "Chloe", "Dinesh", "Emma", "Farid", "Grace", "Hana", "Ivan", "Mei")
_LAST_NAMES = ("Adams", "Brown", "Chen", "Edwards", "Kaur", "Ngata", "Okafor", "Rossi", "Tan")


@dataclass(frozen=True, slots=True)
class Tenant:
    """A tenant as the Collections Monitor knows them."""

    tenant_id: str
    name: str
    arrears_dollars: int
    weeks_overdue: int
    language: str

    @classmethod
    def called(cls, tenant_id: str) -> Self:
        """The tenant of this id: the same one each time."""
        rng = Random(tenant_id)
        weeks = rng.randint(1, 6)
        return cls(
            tenant_id=tenant_id,
            name=f"{rng.choice(_FIRST_NAMES)} {rng.choice(_LAST_NAMES)}",
            arrears_dollars=weeks * rng.randrange(180, 460, 20),
            weeks_overdue=weeks,
            language=rng.choices(("en", "mi", "zh"), (90, 6, 4))[0],
        )


@dataclass(frozen=True, slots=True)
class Sender:
    """A tenant whom the simulator plays."""

    number: int

    @property
    def tenant(self) -> Tenant:
        return Tenant.called(f"tenant-{self.number}")

    @property
    def phone_number(self) -> str:
        return f"+1555{self.number:07d}"

    @property
    def conversation_id(self) -> str:
        return f"{_CONVERSATION}{self.number}"


def is_simulated(conversation_id: str | None) -> bool:
    """Whether this is the conversation of a tenant whom the simulator plays."""
    return conversation_id is not None and conversation_id.startswith(_CONVERSATION)
