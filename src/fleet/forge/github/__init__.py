"""GitHub as a forge, through nothing but an authenticated ``gh``: no webhook, no App.

Takes a repository's name and the fleet's bare repository; gives the port ``Forge``. One look is a
conditional request, which counts nothing against GitHub's limits while nothing changed; where there is news, two more.

Weakness: all agents share one identity at GitHub, so who did what is known from the fleet's own record.
"""
