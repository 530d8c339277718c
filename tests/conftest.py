"""What every test shares: freezegun told which libraries keep real time."""

import freezegun

# pykka's ask deadlines and subprocess waits stay on real time: a frozen clock never lets them expire.
# The list is only ever extended, never replaced: freezegun's own entries keep threading and queue alive.
freezegun.configure(extend_ignore_list=["pykka._threading", "subprocess"])
