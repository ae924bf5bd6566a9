"""Built-in plugins, one noun a file: sources, backbones, heads, policies and augmentations.

A module here is a plugin like any other: it marks its hooks with `zoo.hookspecs.hookimpl` and is found by listing this
package, so that a new one is a new file and no second edit. Modules whose names start with `_` are no plugins.
"""
