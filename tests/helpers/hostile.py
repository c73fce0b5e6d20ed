"""What hostile files hold: names that lead elsewhere, and JSON values of any kind."""

from hypothesis import strategies as st

parts = st.sampled_from(["..", ".", "", "a", "linked", "1.txt", "victim", "thesis.txt", "manifest.json", "a" * 300])
any_name = st.one_of(st.lists(parts, min_size=1, max_size=6).map("/".join), st.text(max_size=20))
json_values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.floats(), st.text(max_size=5), st.just("0" * 64)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=5), inner, max_size=3)),
    max_leaves=8,
)
