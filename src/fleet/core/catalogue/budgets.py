"""Codes of budgets, of halting, and of limits on loops and storms."""

from __future__ import annotations

ROWS: dict[str, tuple[str, str]] = {
    "FLT-BUD-001": (
        "A budget that the start would have to fit into is used up, so it would only wait.",
        "Grant more: fleet budget grant TARGET SECONDS --reason TEXT. fleet budget list shows what is left of which.",
    ),
    "FLT-BUD-002": ("There is no agent, ticket or fleet of this name.", "Write an agent's name, ticket/N or fleet."),
    "FLT-BUD-003": (
        "This has no budget of that kind, so there is nothing to add to.",
        "fleet budget list shows the budgets.",
    ),
    "FLT-BUD-004": (
        "A grant needs exactly one amount: seconds, tokens or dollars.",
        "fleet budget grant TARGET SECONDS, or --tokens N, or --usd N; with --reason TEXT.",
    ),
    "FLT-CTL-120": ("The fleet is not halted, so there is nothing to resume.", "fleet status says what it waits for."),
    "FLT-POL-020": ("The agent has budget left.", "Nothing."),
    "FLT-POL-021": (
        "The agent's budget is exhausted.",
        "Wait for the next window, grant more (fleet budget grant), or raise its budget_seconds.",
    ),
    "FLT-POL-022": ("Live runs hold the rest of a budget.", "Wait for one to end, or grant more: fleet budget grant."),
    "FLT-POL-023": ("The ticket's budget is exhausted.", "Grant more: fleet budget grant ticket/N SECONDS --reason …"),
    "FLT-POL-024": (
        "The budget of the whole fleet is exhausted.",
        "Wait for the next window, or grant more: fleet budget grant fleet SECONDS --reason …",
    ),
    "FLT-POL-025": (
        "Answers of a model have no price, so what a budget in dollars has spent is unknown; nothing goes on.",
        "Add the model to prices: in .fleet/config.yaml, then fleet reload; fleet budget list names the model.",
    ),
    "FLT-POL-026": (
        "A budget in tokens is used up.",
        "Wait for the next window, or grant more: fleet budget grant TARGET --tokens N --reason TEXT.",
    ),
    "FLT-POL-027": (
        "A budget in dollars is used up.",
        "Wait for the next window, or grant more: fleet budget grant TARGET --usd N --reason TEXT.",
    ),
    "FLT-CTL-121": (
        "Nothing of this is held by a limit on loops.",
        "fleet limits list shows what is held, and by which.",
    ),
    "FLT-POL-140": ("No long chain of starts that follow from each other.", "Nothing."),
    "FLT-POL-141": (
        "Too many starts follow from each other, as when agents keep waking one another.",
        "Look with fleet why; then fleet limits release SUBJECT --reason …, or change the subscriptions.",
    ),
    "FLT-POL-142": ("The pull request was not sent back too often.", "Nothing."),
    "FLT-POL-143": (
        "The pull request was sent back as often as limits.review_rounds allows.",
        "Review it yourself (fleet pr review), or fleet limits release pr/N --reason …",
    ),
    "FLT-POL-144": ("The fleet does not start too many runs.", "Nothing."),
    "FLT-POL-145": (
        "The fleet has started as many runs within an hour as limits.starts_per_hour allows.",
        "Wait; or find what starts them (fleet log --type delivery.dispatched), or raise the limit.",
    ),
    "FLT-POL-146": ("The agent does not fail in the same way again and again.", "Nothing."),
    "FLT-POL-147": (
        "Too many runs of the agent in a row ended in the same failure.",
        "Mend the cause; then fleet limits release agent/NAME --reason …, or replay the dead letter.",
    ),
}
