"""What a phone's depth and its tracking get wrong, and where the numbers come from."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Noise:
    """What a phone's LiDAR and its tracking get wrong. All lengths in metres unless in pixels.

    floor, growth: depth's sigma is floor + growth * depth². The law is that of Khoshelham and
    Elberink (Sensors 12(2):1437, 2012) and of Nguyen et al. (3DIMPVT 2012: 0.0012 + 0.0019 (z -
    0.4)²), both for the Kinect. A static iPad's LiDAR stays within 1 mm of a plane, a moving one's
    within 1 cm (Teo and Yang, Developments in the Built Environment 14:100169, 2023); ours, 2.3 mm
    at 0.75 m, lies between.
    blotch, grain: the share of the variance that is smooth, over `grain` depth pixels. Some 24 x
    24 spots are measured (8 x 8 points diffracted 3 x 3, Luetzenburg et al., Sci. Rep. 11:22221,
    2021) and 256 x 192 pixels made of them, so errors hang together; how far is our own estimate.
    smear: pixels of a Gaussian that mixes near and far at an edge. Nguyen et al. measured a lateral
    sigma of 0.8 pixels.
    smoothing: radius in pixels of the low-pass with which the phone fills in between its spots,
    guided by the picture: detail is lost where the picture shows no edge. Our own estimate, mild:
    the spots lie some ten pixels apart.
    shine: how far reflectance costs depth, 0 for not at all; see `gloss.lost`. Our own estimate.
    sway, turn: m and rad (rms along each axis) of slow drift, and a tenth of that from frame to
    frame. ARKit's relative pose error is about 0.02 m a second at walking pace over long ways (Kim
    et al., Sensors 22(24):9873, 2022); around one table, which it sees again and again, it stays
    within millimetres: our own estimate.
    """

    floor: float = 0.0015
    growth: float = 0.0015
    blotch: float = 0.5
    grain: float = 2.5
    smear: float = 0.7
    sway: float = 0.0010
    turn: float = 0.0007
    smoothing: float = 1.0
    shine: float = 1.0

    def scaled(self, depth: float = 1.0, drift: float = 1.0) -> Noise:
        """The same phone with errors so many times as large: of depth, and of its poses."""
        return replace(
            self,
            floor=self.floor * depth,
            growth=self.growth * depth,
            smear=self.smear * depth,
            smoothing=self.smoothing * depth,
            shine=self.shine * depth,
            sway=self.sway * drift,
            turn=self.turn * drift,
        )
