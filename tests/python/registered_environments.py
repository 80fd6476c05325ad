"""Importing this registers the small environments, as `registered_environments:tests/Slide-v0`."""

import small_environments

small_environments.register()
