"""Images as files, in a folder for each class."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from runtree.contract.errors import DataError, MissingError, first_line

if TYPE_CHECKING:
    import pandas as pd

SUFFIXES = ("png", "jpg", "jpeg", "bmp", "gif", "webp")


@dataclass(frozen=True)
class ImageFolder:
    """Image files, those of each class in a folder with its name: `path/cat/1.png`, `path/dog/2.jpg`.

    File names begin with the path as it was typed: a relative one refers to the working directory, in training and in
    prediction.

    Parameters
    ----------
    path
        The folder that contains a folder for each class.
    suffixes
        The suffixes of image files; other files are ignored.
    """

    path: str
    suffixes: Sequence[str] = SUFFIXES

    def load(self) -> "pd.DataFrame":
        """Return the columns `image` (file name) and `label` (name of its folder); files are verified, not decoded."""
        import pandas as pd

        files_by_class = {folder.name: self._images(folder) for folder in self._classes()}
        if len(files_by_class) == 1:
            raise DataError(f"data.path: {self.path} holds only one class: '{next(iter(files_by_class))}'")
        rows = [(file.as_posix(), label) for label, files in files_by_class.items() for file in files]
        # all files before the fit: a damaged one would otherwise show in the middle of the first epoch
        for file, _ in rows:
            check_image(file)
        return pd.DataFrame(rows, columns=["image", "label"])

    def fingerprint(self, table: "pd.DataFrame") -> str:
        """Return a hash of the content of the files: an image may change under the same name."""
        import hashlib

        digest = hashlib.sha256()
        for name in table["image"]:
            # the hash of each file, so that bytes moved from one file to the next give another hash
            digest.update(hashlib.sha256(Path(name).read_bytes()).digest())
        return digest.hexdigest()

    def _classes(self) -> list[Path]:
        top = Path(self.path).expanduser()
        if not top.is_dir():
            problem = "is a file, not a folder" if top.exists() else f"does not exist (current folder: {Path.cwd()})"
            raise DataError(f"data.path: {self.path} {problem}")
        folders = subfolders(top)
        if not folders:
            raise DataError(
                f"data.path: {self.path} holds no folder",
                f"expected: one folder per class, such as {self.path}/cat/1.png",
            )
        return folders

    def _images(self, folder: Path) -> list[Path]:
        """Return the files of a class, sorted by name."""
        # images one level deeper usually mean that the path names the wrong folder (such as one of train and test)
        nested = [inner.name for inner in subfolders(folder) if self._image_files(inner)]
        if nested:
            raise DataError(
                f"data.path: {folder} holds images in subfolders ({', '.join(nested[:5])})",
                "images must lie directly in the folder of their class",
                f"if the subfolders are the classes, type: data.path={folder}",
            )
        files = self._image_files(folder)
        if not files:
            raise DataError(
                f"data.path: {folder} holds no image ({', '.join(self.suffixes)})",
                "remove the folder, or set the suffixes of its files: data.suffixes=[tif]",
            )
        return files

    def _image_files(self, folder: Path) -> list[Path]:
        suffixes = {f".{suffix.lower().lstrip('.')}" for suffix in self.suffixes}
        files = (file for file in folder.iterdir() if not file.name.startswith("."))
        # sorted: the order of `iterdir` depends on the file system, and with it rows, splits and fingerprints would
        return sorted(file for file in files if file.suffix.lower() in suffixes and file.is_file())


def subfolders(folder: Path) -> list[Path]:
    """Return the folders in a folder, sorted by name, without hidden ones."""
    return sorted(inner for inner in folder.iterdir() if inner.is_dir() and not inner.name.startswith("."))


def check_image(file: str) -> None:
    """Refuse a file that is not an image, as far as that shows without decoding it."""
    try:
        from PIL import Image
    except ModuleNotFoundError:
        raise MissingError(
            "data=image_folder needs the package 'PIL', which is not installed",
            "install it: pip install 'runtree[torch]'",
        ) from None
    try:
        with Image.open(file) as image:
            # `verify` checks headers and checksums (PNG); it raises SyntaxError for a broken PNG
            image.verify()
    except (OSError, SyntaxError, ValueError) as error:
        raise DataError(f"data.path: cannot decode image {file} ({first_line(error)})", "repair or remove it") from None
