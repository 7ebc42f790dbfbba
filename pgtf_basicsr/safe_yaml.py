"""YAML as option files are written in it."""

import re

import yaml

__all__ = ['SafeLoader']


class SafeLoader(yaml.SafeLoader):
    """YAML without object construction, and with ``1e-4`` read as the number it is."""

    def compose_mapping_node(self, anchor: str | None) -> yaml.MappingNode:
        # Here and not in construct_mapping: by then merges may have put the merged keys beside the own ones.
        node = super().compose_mapping_node(anchor)
        seen = set()
        for key_node, _ in node.value:
            if isinstance(key_node, yaml.ScalarNode) and key_node.value in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f'the key {key_node.value!r} stands twice in one section', key_node.start_mark
                )
            if isinstance(key_node, yaml.ScalarNode):
                seen.add(key_node.value)
        return node


# YAML 1.1, as PyYAML reads it, wants a dot and a sign in floats; people write 1e-4.
SafeLoader.add_implicit_resolver(
    'tag:yaml.org,2002:float', re.compile(r'^[-+]?(\d[\d_]*)(\.[\d_]*)?[eE][-+]?\d+$'), list('-+0123456789')
)
