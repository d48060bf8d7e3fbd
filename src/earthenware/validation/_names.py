"""The expectations by name, and whether a breach closes the gate."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from earthenware.validation._check import Severity

EXPECTATIONS: Final[Mapping[str, Severity]] = MappingProxyType(
    {
        # The index: one row per chip.
        "index_schema": "fail",
        "required_values": "fail",
        "chip_id_unique": "fail",
        "digest_unique": "fail",
        "split_known": "fail",
        "place_in_one_split": "fail",
        "splits_do_not_overlap": "fail",
        "train_chips": "fail",
        "validation_chips": "warn",
        "test_chips": "warn",
        "longitude_range": "fail",
        "latitude_range": "fail",
        "geometry_valid": "fail",
        "position_in_geometry": "fail",
        "position_matches_grid": "fail",
        "datetime_range": "fail",
        "sensor_datetime_range": "fail",
        "radar_near_optical": "warn",
        "fraction_range": "fail",
        "gsd_matches_store": "fail",
        "sensor_present": "fail",
        "sensor_share": "warn",
        # The pixels, per chip, scene and band.
        "band_alive": "fail",
        "chip_band_alive": "warn",
        "optical_range": "fail",
        "radar_range": "fail",
        "elevation_range": "fail",
        "land_cover_legend": "fail",
        "vv_above_vh": "fail",
        "nir_above_red": "warn",
        "mask_matches_pixels": "fail",
        "nodata_fraction_matches_index": "fail",
        # The radiometric contract, per Sentinel-2 scene.
        "offset_one_per_scene": "fail",
        "offset_agrees_with_pixels": "warn",
        "offset_removed": "fail",
        "offset_not_removed_twice": "fail",
        "offset_gone_from_pixels": "fail",
        "offset_not_undeclared": "warn",
        # The store as a whole.
        "store_not_empty": "fail",
        "store_counts": "fail",
        "chips_readable": "fail",
        "digests_match": "fail",
        "statistics_usable": "fail",
        "rejected_share": "fail",
    }
)
