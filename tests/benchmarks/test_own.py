from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import numpy as np
import pytest
from helpers import run_search

from nas.benchmarks import Custom, benchmark_of
from nas.errors import UserError
from nas.evaluators import TableEvaluator, TrainingEvaluator
from nas.objectives import Objective


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def archs_of(space: Custom, lines: list[dict[str, str]]) -> np.ndarray:
    genes = [[gene.choices.index(line[gene.name]) for gene in space.genes] for line in lines]
    return np.array(genes, dtype=np.uint8)


@pytest.fixture
def space(own_table: Path) -> Custom:
    return Custom(str(own_table), "valid", test="test", cost="seconds")


def test_columns_without_a_role_are_genes_and_their_values_the_choices(space: Custom) -> None:
    assert {gene.name: gene.choices for gene in space.genes} == {
        "kernel": ("1", "3", "5", "7"),
        "width": ("8", "16", "32"),
        "act": ("elu", "gelu", "relu", "silu"),
        "depth": ("1", "2", "3", "4", "5"),
        "groups": ("1", "2", "3", "4", "5", "6"),
    }


def test_every_row_is_found_with_its_numbers(space: Custom, own_table: Path) -> None:
    evaluator = TableEvaluator(space, "auto", None, None, None)
    lines = rows(own_table)
    archs = archs_of(space, lines)
    seen = evaluator.evaluate(evaluator.space.batch(archs))
    assert seen.value.tolist() == [float(line["valid"]) for line in lines]
    assert seen.seconds.tolist() == [float(line["seconds"]) for line in lines]
    assert evaluator.test(evaluator.space.batch(archs)).tolist() == [float(line["test"]) for line in lines]
    assert evaluator.identity()["signal"] == "validation"
    alone = TableEvaluator(
        Custom(str(own_table), "valid", ["kernel", "width", "act", "depth", "groups"]), "auto", None, None, None
    )
    assert alone.identity()["signal"] == "validation"
    assert np.isnan(alone.evaluate(evaluator.space.batch(archs)).seconds).all()


def test_lower_may_be_better(own_table: Path) -> None:
    space = Custom(str(own_table), "seconds", ["kernel", "width", "act", "depth", "groups"], minimise=True)
    evaluator = TableEvaluator(space, "auto", None, None, None)
    archs = archs_of(space, rows(own_table))
    assert evaluator.evaluate(evaluator.space.batch(archs)).value.tolist() == [
        -float(line["seconds"]) for line in rows(own_table)
    ]


def test_csv_parquet_and_npz_say_the_same(own_table: Path, tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet", reason="needs the package pyarrow")
    from pyarrow import csv as arrow_csv

    table = arrow_csv.read_csv(own_table)
    parquet.write_table(table, tmp_path / "mine.parquet")
    np.savez(tmp_path / "mine.npz", **{name: np.array(table[name].to_pylist()) for name in table.column_names})
    paths = own_table, tmp_path / "mine.parquet", tmp_path / "mine.npz"
    spaces = [Custom(str(path), "valid", test="test", cost="seconds") for path in paths]
    archs = spaces[0].enumerate()
    values = [TableEvaluator(space, "auto", None, None, None).evaluate(space.batch(archs)).value for space in spaces]
    assert repr(spaces[0]) == repr(spaces[1]) == repr(spaces[2])
    assert (values[0] == values[1]).all()
    assert (values[0] == values[2]).all()


@pytest.mark.parametrize("estimator", ["emprox", "ridge", "knn_onehot"])
def test_a_search_needs_nothing_but_the_file(estimator: str, own_table: Path, tmp_path: Path) -> None:
    small = ["estimator.encoder.cells=100", "estimator.encoder.epochs=1"] if estimator == "emprox" else []
    done = run_search(
        *("space=custom", f"space.path={own_table}", "space.value=valid", "space.test=test", "space.cost=seconds"),
        *(f"estimator={estimator}", "budget=40", "pool=60", "hydra.run.dir=run", *small),
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    result = json.loads((tmp_path / "run/result.json").read_text())
    assert result["best"]["value"] <= max(float(line["valid"]) for line in rows(own_table))
    assert result["measured_on"]["table"] == "mine"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "has no array 'valid'|has no column for a gene"),
        ("a,valid,test\n1,0.5,0.4\n2,0.6,0.5\n", "column 'test' holds fractions or empty fields: name the genes with"),
        ("a,valid,test\n1,0.5,0.4\n2,0.6,\n", "column 'test' holds fractions or empty fields: name the genes with"),
        ("a,valid\n", "column 'a' of .* has 0 different values, a gene needs 2..250"),
        ("a,valid\n1,0.5\n1,0.6\n", "column 'a' of .* has 1 different values"),
        ("a,valid\n1,0.5\n2\n", "line 3 has 1 fields, the header has 2"),
        ("a,a\n1,0.5\n", "every column needs a name of its own"),
        ("a,\n1,0.5\n", "every column needs a name of its own"),
        ("a,valid\n1,0.5\n2,\n", "test of row 1 is nan, must be finite"),
        ("a,valid\n1,0.5\n2,high\n", "column 'valid' of row 1 is 'high', must be a number"),
        ('a,valid\n1,0.5\n2,"0,5"\n', "column 'valid' of row 1 is '0,5', must be a number"),
        ("a,valid\n1,0.5\n2,nan\n", "test of row 1 is nan, must be finite"),
        ("a,valid\n1,0.5\n2,inf\n", "test of row 1 is inf, must be finite"),
        ("a,valid\n1,0.5\n2,-1e999\n", "test of row 1 is -inf, must be finite"),
        ("a,valid\n1,0.5\n2,0.6\n1,0.7\n", "rows 0 and 2 are the same network"),
        ('a,valid\n1,"0.5\n2,0.6\n', "is no table of comma-separated values"),
        ("a,valid\n" + "".join(f"{n},0.5\n" for n in range(300)), "has 300 different values"),
        ("a,b\n1,2\n2,3\n", "has no array 'valid', only a, b"),
        ("a,accuracy\n1,0.5\n2,0.6\n", "has no array 'valid', only a, accuracy"),
    ],
)
def test_tables_that_cannot_be_used_are_refused_in_one_line(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    path.write_text(text)
    with pytest.raises(UserError, match=message) as caught:
        TableEvaluator(Custom(str(path), "valid"), "auto", None, None, None)
    assert "\n" not in str(caught.value)


def test_a_row_is_known_by_what_its_fields_say(space: Custom, own_table: Path) -> None:
    lines = rows(own_table)
    names = [", ".join(f"{gene.name}={line[gene.name]}" for gene in space.genes) for line in lines]
    assert benchmark_of(space).names(archs_of(space, lines)) == names


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_an_empty_field_is_an_unknown_number(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"mine{suffix}"
    columns = {"a": [1, 2, 3], "b": ["x", None, "y"], "valid": [0.5, 0.6, 0.7], "cost": [4.5, None, 6.0]}
    columns |= {"params": [None, 50, 60], "latency": [1, 2, None]}
    if suffix == ".csv":
        lines = [
            ",".join("" if field is None else str(field) for field in row)
            for row in zip(*columns.values(), strict=True)
        ]
        path.write_text("\n".join([",".join(columns), *lines]))
    else:
        pyarrow = pytest.importorskip("pyarrow", reason="needs the package pyarrow")
        from pyarrow import parquet

        parquet.write_table(pyarrow.table(columns), path)
    space = Custom(str(path), "valid", cost="cost", parameters="params", objectives=["latency"])
    assert [gene.choices for gene in space.genes] == [("1", "2", "3"), ("", "x", "y")]
    evaluator = TableEvaluator(space, "auto", None, None, None)
    archs = np.array([[0, 1], [1, 0], [2, 2]], dtype=np.uint8)
    np.testing.assert_array_equal(evaluator.evaluate(evaluator.space.batch(archs)).seconds, [4.5, np.nan, 6])
    np.testing.assert_array_equal(evaluator.objective("params", evaluator.space.batch(archs)), [np.nan, 50, 60])
    np.testing.assert_array_equal(evaluator.objective("latency", evaluator.space.batch(archs)), [1, 2, np.nan])


def test_a_gene_of_numbers_has_one_in_every_row(tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    path.write_text("a,valid\n1,0.5\n2,0.6\n,0.7\n")
    with pytest.raises(UserError, match="column 'a' of .* has empty fields: a gene needs a value in every row"):
        Custom(str(path), "valid", ["a"])


def test_the_numbers_of_rows_that_pandas_writes_are_no_gene(tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    path.write_text("a,valid,__index_level_0__\n1,0.5,3\n2,0.6,5\n")
    assert [gene.name for gene in Custom(str(path), "valid").genes] == ["a"]


def test_bytes_that_are_no_text_and_files_that_are_not_there(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"a,valid\n\xff\xfe,1\n")
    with pytest.raises(UserError, match="is no table of comma-separated values"):
        Custom(str(tmp_path / "a.csv"), "valid")
    with pytest.raises(UserError, match="cannot read the table .*nowhere"):
        Custom(str(tmp_path / "nowhere.csv"), "valid")
    (tmp_path / "a.parquet").write_bytes(b"PAR1 and more PAR1")
    pytest.importorskip("pyarrow", reason="needs the package pyarrow")
    with pytest.raises(UserError, match="is damaged or no Parquet file"):
        Custom(str(tmp_path / "a.parquet"), "valid")


def test_rows_are_not_trained(space: Custom) -> None:
    with pytest.raises(UserError, match="no networks that could be trained: use evaluator=table"):
        TrainingEvaluator(space)


@pytest.mark.parametrize(
    ("genes", "message"),
    [
        (["kernel", "test"], "column 'test' of space.genes has another role"),
        (["kernel", "valid"], "column 'valid' of space.genes has another role"),
        (["kernel", "seconds"], "column 'seconds' of space.genes has another role"),
        (["kernel", "width", "kernel"], "column 'kernel' of space.genes is named twice"),
        (["kernel", "colour"], "has no array 'colour'"),
    ],
)
def test_genes_are_no_columns_with_a_role(genes: list[str], message: str, own_table: Path) -> None:
    with pytest.raises(UserError, match=message):
        Custom(str(own_table), "valid", genes, test="test", cost="seconds")


@pytest.mark.parametrize("lengths", [(4, 3, 4), (4, 4, 3), (3, 4, 4)])
def test_columns_of_different_lengths_are_refused(lengths: tuple[int, ...], tmp_path: Path) -> None:
    a, b, valid = (np.arange(length) for length in lengths)
    np.savez(tmp_path / "mine.npz", a=a, b=b, valid=valid)
    with pytest.raises(UserError, match=r"has shape \(\d,\), all must be as long as 'a', whose shape is"):
        Custom(str(tmp_path / "mine.npz"), "valid")


def test_a_single_number_is_no_column(tmp_path: Path) -> None:
    np.savez(tmp_path / "mine.npz", a=np.array(1), valid=np.array(2))
    with pytest.raises(UserError, match=r"column 'a' has shape \(\), all must be as long"):
        Custom(str(tmp_path / "mine.npz"), "valid")


@pytest.mark.parametrize("limit", ["<100", "<=0", ">0", ">=0"])
def test_an_unknown_number_of_parameters_satisfies_no_constraint(limit: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    path.write_text("a,valid,params\n1,0.5,nan\n2,0.6,50\n3,0.7,200\n")
    space = Custom(str(path), "valid", parameters="params")
    evaluator = TableEvaluator(space, "auto", None, None, None)
    wanted = {"<100": [1], "<=0": [], ">0": [1, 2], ">=0": [1, 2]}[limit]
    if not wanted:
        with pytest.raises(UserError, match="no architecture of the space has params <=0"):
            Objective({"params": limit}).restrict(evaluator)
        return
    assert Objective({"params": limit}).restrict(evaluator).space.enumerate()[:, 0].tolist() == wanted


@pytest.mark.parametrize("number", ["0.27", "inf", "1e+30"])
def test_fractions_of_parameters_are_refused(number: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    path.write_text(f"a,valid,params\n1,0.5,50\n2,0.6,{number}\n")
    with pytest.raises(UserError, match=f"column 'params' of row 1 is {re.escape(number)}, must be a whole number"):
        TableEvaluator(Custom(str(path), "valid", parameters="params"), "auto", None, None, None)


def test_a_value_without_a_test_column_is_told(own_table: Path, caplog: pytest.LogCaptureFixture) -> None:
    genes = ["kernel", "width", "act", "depth", "groups"]
    TableEvaluator(Custom(str(own_table), "valid", genes, test="test"), "auto", None, None, None)
    assert not caplog.records
    TableEvaluator(Custom(str(own_table), "valid", genes), "auto", None, None, None)
    assert "what the report calls test accuracy is 'valid'" in caplog.text


@pytest.mark.parametrize("names", [("1_1", "11"), ("01", "1"), ("1_0", "2_0"), ("007", "7.5")])
def test_names_that_look_like_numbers_stay_names(names: tuple[str, str], tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    path.write_text("".join(f"{a},{b}\n" for a, b in zip(("a", *names), ("valid", 0.5, 1e-3), strict=True)))
    assert set(Custom(str(path), "valid").genes[0].choices) == set(names)


@pytest.mark.parametrize("text", ["0.5", "-.5", "5.", "1e-3", "1E+3", " 0.25 ", "+1.5", "-0"])
def test_numbers_are_numbers_however_they_are_written(text: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    path.write_text(f"a,valid\n1,{text}\n2,0.5\n")
    evaluator = TableEvaluator(Custom(str(path), "valid"), "auto", None, None, None)
    assert evaluator.evaluate(evaluator.space.batch(np.zeros((1, 1), dtype=np.uint8))).value.tolist() == [float(text)]
