"""The rendered world as files: pictures and COCO annotations that POPE and CHAIR tools read unmodified."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tqdm.auto import tqdm

from scr_lens.organisms.canvas import SQUARE, Canvas, canvas_of
from scr_lens.organisms.corpus import CORPUS_VERSION
from scr_lens.organisms.icons import ICONS
from scr_lens.organisms.language import CAPTIONS, caption
from scr_lens.organisms.render import RenderedScene, render_scene
from scr_lens.organisms.scenes import SCENE_TYPES
from scr_lens.organisms.world import Split, sample_scene
from scr_lens.store.atomic import write_bytes


@dataclass(frozen=True)
class WorldFiles:
    """An exported split.

    Attributes:
        images: Folder of PNG pictures.
        instances: COCO instances file: exact boxes and visible areas, in pixels.
        captions: COCO captions file: five sentences a picture.
    """

    images: Path
    instances: Path
    captions: Path


def export_world(
    split: Split, count: int, folder: Path, canvases: tuple[Canvas, ...] = (SQUARE,)
) -> WorldFiles:
    """Renders the first `count` scenes of a split to disk; what is already there is kept.

    Args:
        split: Which scenes.
        count: How many.
        folder: Where to write; made if missing.
        canvases: Sizes of the pictures; scenes take turns.

    Returns:
        Paths of pictures and annotations. An interrupted export is completed by calling it again; several
        processes may export the same at once.
    """
    name = f"world{CORPUS_VERSION}-{split}-{count}-{'-'.join(map(str, canvases))}"
    files = WorldFiles(folder / name, folder / f"{name}-instances.json", folder / f"{name}-captions.json")
    if files.instances.is_file() and files.captions.is_file():
        return files
    files.images.mkdir(parents=True, exist_ok=True)
    scenes = [
        _draw(split, index, canvas_of(index, canvases), files.images)
        for index in tqdm(range(count), desc=f"render {split}", leave=False)
    ]
    images = [_image(scene) for scene in scenes]
    _write(files.captions, {"images": images, "annotations": _captions(scenes)})
    _write(
        files.instances,
        {"images": images, "categories": _categories(), "annotations": _instances(scenes)},
    )
    return files


def file_name(scene: RenderedScene) -> str:
    """Name of a scene's picture."""
    return f"{scene.scene.split}_{scene.scene.index:06d}.png"


def _draw(split: Split, index: int, canvas: Canvas, folder: Path) -> RenderedScene:
    drawn = render_scene(sample_scene(split, index), canvas)
    path = folder / file_name(drawn)
    if not path.exists():
        content = io.BytesIO()
        drawn.image.save(content, format="PNG")
        write_bytes(path, content.getvalue())
    return drawn


def _image(drawn: RenderedScene) -> dict[str, Any]:
    scene, (height, width, _) = drawn.scene, drawn.pixels.shape
    return {
        "id": scene.image_id,
        "file_name": file_name(drawn),
        "width": width,
        "height": height,
        "place": SCENE_TYPES[scene.place].name,
        "background": SCENE_TYPES[scene.background].name,
    }


def _categories() -> list[dict[str, Any]]:
    return [{"id": icon.coco_id, "name": icon.name, "supercategory": icon.supercategory} for icon in ICONS]


def _instances(scenes: list[RenderedScene]) -> list[dict[str, Any]]:
    return [
        {
            "id": scene.scene.image_id * 100 + k,
            "image_id": scene.scene.image_id,
            "category_id": ICONS[item.placement.category].coco_id,
            "bbox": [round(value, 3) for value in item.box],
            "area": round(item.area, 3),
            "iscrowd": 0,
            "visible_share": round(item.visible_share, 4),
        }
        for scene in scenes
        for k, item in enumerate(scene.objects)
    ]


def _captions(scenes: list[RenderedScene]) -> list[dict[str, Any]]:
    return [
        {
            "id": drawn.scene.image_id * 10 + template,
            "image_id": drawn.scene.image_id,
            "caption": caption(SCENE_TYPES[drawn.scene.place].name, drawn.names, template),
        }
        for drawn in scenes
        for template in range(len(CAPTIONS))
    ]


def _write(path: Path, content: dict[str, Any]) -> None:
    write_bytes(path, json.dumps(content, sort_keys=True).encode())
