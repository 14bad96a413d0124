"""What a photograph says of its making that may go on into what is painted from it: date and camera, never the place.

No torch here.
"""

from pathlib import Path
from typing import Any

from PIL import ExifTags, Image

from nstkit.errors import UserError

CAMERA = ExifTags.IFD.Exif
"""Where a file keeps what the camera set, beside what stands at its head."""
KEPT_AT_HEAD = (ExifTags.Base.Make, ExifTags.Base.Model, ExifTags.Base.DateTime)
KEPT_OF_CAMERA = (  # everything else is left behind: place, serial numbers, owner, thumbnail, maker's notes
    *(ExifTags.Base.DateTimeOriginal, ExifTags.Base.DateTimeDigitized),
    *(ExifTags.Base.OffsetTime, ExifTags.Base.OffsetTimeOriginal, ExifTags.Base.OffsetTimeDigitized),
    *(ExifTags.Base.LensMake, ExifTags.Base.LensModel),
    *(ExifTags.Base.ExposureTime, ExifTags.Base.FNumber, ExifTags.Base.ISOSpeedRatings),
    *(ExifTags.Base.FocalLength, ExifTags.Base.FocalLengthIn35mmFilm),
)


def read_kept(path: Path) -> dict[int, Any]:
    """Return date and camera of a picture file by tag, in the two parts in which they lie; empty where it has none.

    Raises:
        UserError: for a file that is no picture.

    Example:
        >>> import tempfile
        >>> exif = Image.Exif()
        >>> exif[ExifTags.Base.Model] = "Box"
        >>> exif[ExifTags.Base.GPSInfo] = {ExifTags.GPS.GPSLatitudeRef: "N"}
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder) / "a.jpg"
        ...     Image.new("RGB", (8, 8)).save(path, exif=exif)
        ...     read_kept(path)
        {272: 'Box'}
    """
    try:
        with Image.open(path) as picture:
            exif = picture.getexif()
            at_head, of_camera = dict(exif), exif.get_ifd(CAMERA)
    except MemoryError:
        raise
    except Exception as error:  # a malformed tag makes Pillow raise anything
        raise UserError(f"{path}: its EXIF cannot be read ({error}). Leave --keep-exif out.") from error
    kept: dict[int, Any] = {int(tag): at_head[tag] for tag in KEPT_AT_HEAD if tag in at_head}
    if camera := {int(tag): of_camera[tag] for tag in KEPT_OF_CAMERA if tag in of_camera}:
        kept[int(CAMERA)] = camera
    return kept
