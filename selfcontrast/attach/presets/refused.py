"""Published models that the task cannot enter, each with its reason."""

REFUSED = {
    "hsnet": "it correlates all pixels of support and query, and has no prototype whose place the map could take",
    "patnet": "its prototypes only turn features towards anchors, whose pixels it then correlates, support with query: "
    "there is no prototype whose place the map could take",
    "fecanet": "it correlates all pixels of support and query, and has no prototype whose place the map could take",
    "vat": "it aggregates a dense correlation of support and query and has no prototype whose place the map could take",
    "dcama": "it attends from query pixels to support pixels and has no prototype whose place the map could take",
    "repri": "it trains an ordinary classifier and fits each episode at inference, so training has no comparison",
    "amp": "it trains an ordinary classifier and imprints weights at inference, so training has no comparison",
    "capl": "it trains a classifier on labelled images without a support, so training has no comparison",
    "dan": "it attends from query to support pixels in a graph, and has no prototype whose place the map could take",
    "pgnet": "it attends from query to support at many scales, and has no prototype whose place the map could take",
    "oslsm": "a branch of it regresses a classifier's weights from the support, so there is no prototype to replace",
}
