"""The parameter files of published recipes against the numbers that they are made of: epochs, images, processes."""

import pytest

from ofdb_core.families import registry
from ofdb_core.run import experiments, parameter_files

OFDB_1K, OFDB_21K = (1_000, 80_000, (8, 32)), (21_000, 15_238, (8, 128))  # images, epochs, (processes, images of each)
PROGRAM = {
    **dict.fromkeys(["2d-ofdb-1k/as-released", "3d-ofdb-1k/as-released", "1p-frac/as-released"], OFDB_1K),
    **dict.fromkeys(["2d-ofdb-21k/as-released", "3d-ofdb-21k/as-released"], OFDB_21K),
    "visualatom-1k/published": (1_000_000, 300, (4, 64)),
    "visualatom-21k/published": (21_000_000, 90, (128, 64)),
}
SWIN = [f"{family}-ofdb-{size}/swin-base" for family in ("2d", "3d") for size in ("1k", "21k")]


def values(experiment, stage="4_pretrain"):
    """All values of a stage."""
    return parameter_files.values(experiment, stage)


def live(given):
    """All values of live samples."""
    return registry.sources()[given["data"]].live.of(given["live"]).values()


def rates(given):
    """Peak, last and first learning rate."""
    scale = given["batch_size"] / given["reference_batch"]
    return [given[name] * scale for name in ("learning_rate", "min_learning_rate", "warmup_learning_rate")]


@pytest.mark.parametrize("experiment", experiments.names())
def test_a_seed_for_all_notebooks_does_not_set_live_samples_against_the_stored_images(experiment):
    stages = parameter_files.notebooks(experiment)
    if "2_render_2d" in stages and (given := values(experiment)) and given["samples"] == "live":
        assert live(given).get("seed", 0) is not None  # codes have none


@pytest.mark.parametrize(("experiment", "program"), PROGRAM.items())
def test_a_programs_steps_are_its_epochs_without_their_incomplete_batches(experiment, program):
    images, epochs, (processes, share) = program
    given = values(experiment)
    assert given["batch_size"] == processes * share
    assert given["steps"] == epochs * (images // given["batch_size"])
    assert given["mix_groups"] == processes


@pytest.mark.parametrize("experiment", [name for name in PROGRAM if name.endswith("as-released")])
def test_the_released_program_differs_from_the_nominal_recipe_in_length_groups_and_decay_alone(experiment):
    nominal, released = values(experiment.split("/")[0]), values(experiment)
    differing = {name for name in released if released[name] != nominal.get(name)}
    assert differing == {"steps", "warmup_steps", "mix_groups", "decay_positions"}
    images, _, (processes, share) = PROGRAM[experiment]
    assert released["warmup_steps"] == 5 * (images // (processes * share))
    assert released["decay_positions"] is True
    assert nominal["steps"] == 312_500
    tuning = values(experiment, "5_finetune")
    assert (tuning["steps"], tuning["warmup_steps"]) == (1_000 * (50_000 // 768), 10 * (50_000 // 768))
    assert (tuning["mix_groups"], tuning["decay_positions"]) == (8, True)


@pytest.mark.parametrize("experiment", ["visualatom-1k/published", "visualatom-21k/published"])
def test_visual_atoms_own_recipe_has_its_instances_and_no_rate_scaled_by_the_batch(experiment):
    assert values(experiment, "3_render_visualatom")["instances"] == 1_000
    given = values(experiment)
    assert rates(given) == [1e-3, 1e-5, 1e-6]
    assert given["warmup_steps"] == 5_000
    assert (given["augmentation_repeats"], given["interpolation"], given["decay_positions"]) == (3, "random", False)
    assert (given["hflip"], given["vflip"], given["erasing"]) == (0, 0, 0.25)
    assert given["mean"] == values("finetune", "5_finetune")["mean"]
    assert values(experiment.split("/")[0], "3_render_visualatom")["instances"] == 1


@pytest.mark.parametrize("experiment", SWIN)
def test_swin_has_the_values_of_its_released_configuration(experiment):
    given, tuning = values(experiment), values(experiment, "5_finetune")
    assert rates({**given, "batch_size": 512}) == [5e-4, 5e-6, 5e-7]
    epochs = 15_238 if "21k" in experiment else 80_000
    assert given["warmup_steps"] == pytest.approx(20 * given["steps"] / epochs, rel=0.03)
    for values_of in (given, tuning):
        assert (values_of["drop_path"], values_of["clip_gradient"]) == (0.2, 5.0)


def test_deits_schedule_scales_the_peak_alone_and_repeats_augmentation():
    given = values("finetune/imagenet1k", "5_finetune")
    assert rates(given) == [1e-3, 1e-5, 1e-6]
    assert given["augmentation_repeats"] == 3
    assert given["repeats"] == 1


@pytest.mark.parametrize("size", ["ablation-augmentation", "ablation-augmentation/small"])
@pytest.mark.parametrize("family", ["2d", "3d"])
def test_the_ablation_changes_nothing_but_how_samples_are_drawn(size, family):
    kinds = ("none", "pattern", "texture", "both")
    stages = {kind: parameter_files.notebooks(f"{size}/{family}/{kind}") for kind in kinds}
    assert all(found == stages["none"] for found in stages.values())
    trainings = {kind: values(f"{size}/{family}/{kind}") for kind in kinds}
    for kind in kinds[1:]:
        given, stored = trainings[kind], trainings["none"]
        differing = {name for name in given if given[name] != stored.get(name)}
        assert differing == {"data", "samples", "live"}
        assert (given["samples"], live(given)["patches"]) == ("live", kind)
        for stage in set(stages[kind]) - {"4_pretrain", "6_report"}:
            assert values(f"{size}/{family}/{kind}", stage) == values(f"{size}/{family}/none", stage)
    if size == "ablation-augmentation":
        assert trainings["none"] == values(f"{family}-ofdb-1k/as-released")
        assert values(f"{size}/{family}/none", "5_finetune")["data"] == "cifar100"


@pytest.mark.parametrize(("size", "share"), [("ablation-augmentation", 1.0), ("ablation-augmentation/small", 0.5)])
@pytest.mark.parametrize("kind", ["pattern", "texture", "both"])
def test_the_ablation_draws_the_stored_pictures_with_other_patches(size, share, kind):
    """The same dots, points and viewpoints as stored: the values of what renders them; in space, the small one half."""
    drawn, flat = live(values(f"{size}/2d/{kind}")), values(f"{size}/2d/{kind}", "2_render_2d")
    assert ((drawn["size"] or 362), (drawn["dots"] or 200_000)) == (flat["image_size"], flat["points"])
    assert (drawn["share"], drawn["delta"], drawn["weights"]) == (1.0, 0, 0)
    drawn, space = live(values(f"{size}/3d/{kind}")), values(f"{size}/3d/{kind}", "3_render_3d")
    assert (drawn["axes"], drawn["views"]) == (space["axes"], space["views"])
    assert drawn["size"] in (None, space["image_size"])
    assert (drawn["point_size"], drawn["points"]) == ([space["point_size"]] * 2, [1.0, 1.0])
    assert (drawn["unit"], drawn["levels"], drawn["share"]) == ("dot", [0, 255], share)
    assert drawn["depth"] == "nearest"


@pytest.mark.parametrize(
    ("data", "images"),
    [
        *(("cifar10", 50_000), ("cifar100", 50_000), ("voc2012", 13_609), ("imagenet100", 126_689)),
        *(("cars", 8_144), ("flowers", 2_040), ("places30", 150_000)),
    ],
)
def test_fine_tuning_lasts_a_thousand_epochs_ten_of_them_warm_up(data, images):
    given = values(f"finetune/{data}", "5_finetune")
    assert given["steps"] == images * 1_000 // given["batch_size"]
    assert given["warmup_steps"] == given["evaluate_every"] == images * 10 // given["batch_size"]
