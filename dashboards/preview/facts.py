"""Grafana's lengths and rules that its library has not got, each with its place in the source.

They are those of Grafana 12.3.0. A place is a file and what in it: a function, a component or a
constant. Lengths are pixels. `GRAFANA_SOURCE=folder` makes the tests look the places up.
"""

from typing import NamedTuple


class Fact(NamedTuple):
    """A rule that the drawing follows, where it is written, and the module that follows it."""

    rule: str
    place: str
    followed_in: str


SCROLL_BAR = 15
"""What Chrome takes of a window on Windows and Linux; Grafana scrolls the whole page."""
DOCKED_MENU = 300
DOCKED_FROM = 1200
BOARD_PADDING = 16
HEADER_LEVEL = 40
CONTROL, CONTROL_GAP, CONTROLS_PADDING = 32, 8, 16

COLUMNS, CELL, CELL_GAP = 24, 30, 8

PANEL_BORDER, PANEL_PADDING, PANEL_HEADER = 1, 8, 32
TITLE_ICON, TITLE_LINKS, TITLE_MENU, TITLE_ERROR = 32, 34, 24, 32
CLOCK_ICON, CLOCK_GAP = 14, 8

TEXT, SMALL_TEXT, MESSAGE_TEXT, ROW_TEXT = 14, 12, 18, 16
LETTER_SPACING = 0.15
LINE = 22 / 14
"""The height of a line, as a share of the size of its letters."""

LEGEND_SHARE, LEGEND_BESIDE_SHARE = 0.35, 0.6
LEGEND_ROW = 24
LEGEND_KEY, LEGEND_KEY_GAP = 14, 8
LEGEND_PADDING, LEGEND_ITEM_GAP = 8, 10
LEGEND_LIST_PADDING = 4
LEGEND_NAME = 600

AXIS_TICK, AXIS_GAP, AXIS_TEXT = 4, 5, 12
PLOT_TOP, PLOT_RIGHT = 8, 8
"""As measured in a browser."""
VALUE_SPACE, VALUE_SPACE_LOW, LOW_PLOT = 30, 15, 150
TIME_SPACE, TIME_GAP = 40, 18
AXIS_SHARE = 0.4

LANE_NAME_GAP, LANE_TEXT_PADDING, LANES, PAGES = 16, 2, 20, 32
CHARACTER_EXTRA = 2.5
NO_TIME = "Data does not have a time field"

TABLE_CELL_PADDING, TABLE_HEADER, TABLE_COLUMN = 6, 28, 150
TABLE_SORT_ICON = 20
"""As measured in a browser."""
TABLE_ROWS = {"sm": 36, "md": 42, "lg": 48}

BIG_LINE, BIG_TITLE, BIG_WIDE = 1.2, 30, 2.5
REPEAT_GAP = 3
BAR_GAP, BAR_LEAST, BAR_MOST = 10, 16, 300
BAR_NAME_SHARE, BAR_NAME_PADDING = 0.4, 10

FACTS = (
    Fact(
        "the menu, 300 wide, is docked in windows of 1,200 or more",
        "public/app/core/components/AppChrome/MegaMenu/MegaMenu.tsx: MENU_WIDTH",
        "screen",
    ),
    Fact(
        "the board has 16 at its left and right",
        "public/app/features/dashboard-scene/edit-pane/DashboardEditPaneSplitter.tsx: getStyles",
        "screen",
    ),
    Fact(
        "above it are two levels of 40 while the menu is docked",
        "public/app/core/components/AppChrome/TopBar/useChromeHeaderHeight.ts: "
        "getHeaderLevelsGivenState",
        "screen",
    ),
    Fact(
        "and the controls: variables, switches of annotations and links, 32 high, 8 apart, in as "
        "many lines as they need beside the choice of time",
        "public/app/features/dashboard-scene/scene/DashboardControls.tsx: getStyles",
        "screen",
    ),
    Fact(
        "a cell of the grid is 30 high; 8 are between cells, both ways; 24 columns share the width",
        "public/app/core/constants.ts: GRID_CELL_VMARGIN",
        "screen",
    ),
    Fact(
        "a panel has a border of 1, a header of 32 and a padding of 8, which stats have not",
        "packages/grafana-ui/src/components/PanelChrome/PanelChrome.tsx: getContentStyle",
        "screen",
    ),
    Fact(
        "stats reach the panel's border",
        "public/app/plugins/panel/stat/module.tsx: setNoPadding",
        "screen",
    ),
    Fact(
        "the title gives way to everything beside it, and ends in an ellipsis",
        "packages/grafana-ui/src/components/PanelChrome/PanelChrome.tsx: headerContent",
        "titles",
    ),
    Fact(
        "the icon of the description takes 32 of it, as that of a single link does",
        "packages/grafana-ui/src/components/PanelChrome/TitleItem.tsx: getStyles",
        "titles",
    ),
    Fact(
        "several links take 34",
        "public/app/features/dashboard-scene/scene/PanelLinks.tsx: VizPanelLinksRenderer",
        "titles",
    ),
    Fact(
        "a range of the panel's own takes a clock and its words",
        "public/app/features/dashboard-scene/scene/panel-timerange/PanelTimeRange.tsx: "
        "PanelTimeRangeRenderer",
        "titles",
    ),
    Fact(
        "the menu takes 24 though it is seen only under the mouse",
        "packages/grafana-ui/src/components/PanelChrome/PanelMenu.tsx: PanelMenu",
        "titles",
    ),
    Fact(
        "a sign of error, as while Prometheus can't be asked, takes 32 before it",
        "packages/grafana-ui/src/components/PanelChrome/PanelStatus.tsx: getStyles",
        "titles",
    ),
    Fact(
        "titles are Inter, medium, 14 high, with 0.15 between letters",
        "packages/grafana-data/src/themes/createTypography.ts: h6",
        "lettering",
    ),
    Fact(
        "a legend below has at most 35 % of the height, beside at most 60 % of the width, and "
        "scrolls",
        "packages/grafana-ui/src/components/VizLayout/VizLayout.tsx: VizLayout",
        "draw/legend",
    ),
    Fact(
        "in a legend's table nothing wraps: columns that have no room are beyond the edge",
        "packages/grafana-ui/src/components/VizLegend/VizLegendTableItem.tsx: getStyles",
        "draw/legend",
    ),
    Fact(
        "a list of a legend wraps, each name with its reductions behind it",
        "packages/grafana-ui/src/components/VizLegend/VizLegendList.tsx: getStyles",
        "draw/legend",
    ),
    Fact(
        "an axis reaches a tenth beyond the values, to a round number; a soft limit holds until a "
        "value is beyond it; a single value has the room of itself; only zeros reach to 100",
        "packages/grafana-ui/src/components/uPlot/config/UPlotScaleBuilder.ts: rangeConfig",
        "draw/axes",
    ),
    Fact(
        "values are labelled every 30 pixels, every 15 in plots up to 150 high; the axis is as "
        "wide as its widest label, at most 40 %",
        "packages/grafana-ui/src/components/uPlot/config/UPlotAxisBuilder.ts: calculateSpace",
        "draw/axes",
    ),
    Fact(
        "times are written by the distance of the labels and the length of the range",
        "packages/grafana-ui/src/components/uPlot/config/UPlotAxisBuilder.ts: formatTime",
        "draw/axes",
    ),
    Fact(
        "bytes have steps that are powers of two",
        "public/app/core/components/TimeSeries/utils.ts: BIN_INCRS",
        "draw/axes",
    ),
    Fact(
        "where the next sample is further away than the step, there is a gap",
        "packages/grafana-data/src/transformations/transformers/nulls/nullInsertThreshold.ts: "
        "applyNullInsertThreshold",
        "answers",
    ),
    Fact(
        "bars are six tenths of a step wide, at most 200, on their time unless told otherwise",
        "packages/grafana-ui/src/components/uPlot/config/UPlotSeriesBuilder.ts: "
        "mapDrawStyleToPathBuilder",
        "draw/timeseries",
    ),
    Fact(
        "with colours by thresholds and merged values, a lane shows ranges and no mappings",
        "public/app/core/components/TimelineChart/utils.ts: mergeThresholdValues",
        "draw/state_timeline",
    ),
    Fact(
        "a range is called by the unit: below the second limit as <, all others with a +",
        "public/app/core/components/TimelineChart/utils.ts: getThresholdItems",
        "draw/state_timeline",
    ),
    Fact(
        "with colours by thresholds the legend has these ranges, else each state that was shown",
        "public/app/core/components/TimelineChart/utils.ts: getFieldLegendItem",
        "draw/state_timeline",
    ),
    Fact(
        "where there is no series, a timeline says that data have no time field",
        "public/app/core/components/TimelineChart/utils.ts: prepareTimelineFields",
        "draw/state_timeline",
    ),
    Fact(
        "no value is drawn only where a mapping is meant for it, and never with blended colours",
        "public/app/core/components/TimelineChart/timeline.ts: shouldDrawYValue",
        "draw/state_timeline",
    ),
    Fact(
        "a state's text is cut to the characters that its box has room for, and left out below two",
        "public/app/core/components/TimelineChart/timeline.ts: drawPoints",
        "draw/state_timeline",
    ),
    Fact(
        "lanes come in pages of 20, unless told otherwise; choosing one takes 32, of one page too",
        "public/app/plugins/panel/state-timeline/hooks.tsx: usePagination",
        "draw/state_timeline",
    ),
    Fact(
        "columns without a width share what is left, 150 each at least; what has no room is beyond "
        "the edge",
        "packages/grafana-ui/src/components/Table/TableNG/utils.ts: computeColWidths",
        "draw/table",
    ),
    Fact(
        "an empty cell has the colour of no value: that of the lowest threshold",
        "packages/grafana-ui/src/components/Table/TableNG/utils.ts: "
        "getCellColorInlineStylesFactory",
        "draw/table",
    ),
    Fact(
        "no value is less than all others in sorting",
        "packages/grafana-ui/src/components/Table/TableNG/utils.ts: numCompare",
        "tables",
    ),
    Fact(
        "a stat's number is as large as its tile allows; one that is 2.5 times as wide as high has "
        "its course below or none",
        "packages/grafana-ui/src/components/BigValue/BigValueLayout.tsx: buildLayout",
        "draw/stat",
    ),
    Fact(
        "unit and number differ in size",
        "packages/grafana-ui/src/components/FormattedValueDisplay/FormattedValueDisplay.tsx: "
        "fontSizeReductionFactor",
        "draw/stat",
    ),
    Fact(
        "several stats are laid out in the largest squares that have room",
        "packages/grafana-ui/src/utils/squares.ts: calculateGridDimensions",
        "draw/stat",
    ),
    Fact(
        "a bar has its name above from a height of 40 on, else at its left, with 40 % at most",
        "packages/grafana-ui/src/components/BarGauge/BarGauge.tsx: calculateTitleDimensions",
        "draw/bars",
    ),
    Fact(
        "a bar is 35 % of its colour, with an edge of all of it",
        "packages/grafana-ui/src/components/BarGauge/BarGauge.tsx: getBasicAndGradientStyles",
        "draw/bars",
    ),
    Fact(
        "without a wish, colours are by threshold, of lines from the palette, of timelines blended",
        "public/app/plugins/panel/state-timeline/module.tsx: ContinuousGrYlRd",
        "fields",
    ),
    Fact(
        "without thresholds, green, and red from 80 on",
        "public/app/core/components/OptionsUI/registry.tsx: thresholds",
        "colours",
    ),
)
"""The table of them."""
