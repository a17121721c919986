"""The event bus: events in, deliveries out. Who hears of what, decided from the configuration alone.

Takes journal entries of the stream ``event``; gives rows of ``deliveries`` and one ``event.routed`` entry each.
Owns the making of deliveries, no transition of them. Pure: subscription, match. Service: router.
Weakness: an event that nobody subscribes to is routed to nobody; the reconciler offers it again when a
subscriber appears and the live state still asks for the work.
"""
