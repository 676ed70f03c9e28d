"""What a GAN run is given, held to what it needs: the target, and D_sem."""

from collections.abc import Sequence
from dataclasses import replace

from tfipgan.config import Config
from tfipgan.data.filenames import Sample
from tfipgan.data.labels import WHOLE_TARGET, DomainMap, LabelMap
from tfipgan.errors import InputError
from tfipgan.runs.run import Run, require_classifier


def target_domains(
    kind: str, target: Sequence[Sample]
) -> tuple[Sequence[Sample], DomainMap]:
    """Return the target's samples with their domains' numbers, and the domains.

    Args:
        kind: gan.target_domains, "cameras" or "one".
        target: training samples with cameras.
    """
    if kind == "cameras":
        return target, DomainMap.from_samples(target)
    whole = [replace(sample, camera_id=WHOLE_TARGET) for sample in target]
    return whole, DomainMap((WHOLE_TARGET,))


def semantic_labels(
    config: Config, semantic_run: Run | None, source: Sequence[Sample]
) -> LabelMap | None:
    """Return D_sem's label map once it is seen to fit this run; None without one.

    Raises:
        InputError: it is missing, tells no identities, lacks some of the source's, or
            was trained on images of another size.
    """
    if not config.gan.lambda_semantic:
        return None
    if semantic_run is None:
        raise InputError(
            f"gan.lambda_semantic is {config.gan.lambda_semantic:g} but no semantic "
            "discriminator is given: add --semantic RUN (a train-reid run on the "
            "source), or --set gan.lambda_semantic=0 for StarGAN"
        )
    labels = require_classifier(semantic_run)
    own, wanted = semantic_run.config.reid.image_size, config.gan.image_size
    if own != wanted:
        raise InputError(
            f"{semantic_run.path} was trained on {own[0]}x{own[1]} images, this GAN "
            f"makes {wanted[0]}x{wanted[1]} (height x width): train the semantic "
            "discriminator with reid.image_size set to gan.image_size"
        )
    missing = {s.person_id for s in source} - set(labels.class_ids)
    if missing:
        raise InputError(
            f"{semantic_run.path} does not know {len(missing)} of the source's "
            f"identities (such as {min(missing)}): train it on the same source "
            "dataset, with reid.held_out_identities=0"
        )
    return labels
