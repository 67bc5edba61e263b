# SPDX-License-Identifier: Apache-2.0
"""The flame graph page in a real browser: flame_graph_test.py WRITE_PAGES.

Numbers come from write_pages.cpp.  Exit 77: no Chromium on this machine.
"""
import os
import subprocess
import sys
import tempfile
import unittest

from browser import Browser, find_chromium

PAGES = ["known", "hostile", "busy", "deep", "empty", "large", "random"]
MAX_PAGE_BYTES = 20_000_000  # 200,000 distinct stacks of depth 40
# Where the box of a frame is: its middle, in the coordinates of the window.
MIDDLE = """(() => {
  const node = %s;
  const box = page.graph.findBox(node);
  const area = byId("canvas").getBoundingClientRect();
  return [area.x + box.x + box.width / 2, area.y + page.graph.top(box.row) + ROW_HEIGHT / 2];
})()"""
FIND = """Array.from({length: page.model.tree.count}, (_, node) => node)
  .find((node) => page.model.name(node) === %r)"""
COLOURS = """(() => {
  const copy = byId("canvas").cloneNode();
  const context = copy.getContext("2d", {willReadFrequently: true});
  context.drawImage(byId("canvas"), 0, 0);
  const pixels = context.getImageData(0, 0, copy.width, copy.height).data;
  const colours = new Map();
  for (let i = 0; i < pixels.length; i += 4) {
    const colour = `${pixels[i]},${pixels[i + 1]},${pixels[i + 2]}`;
    colours.set(colour, (colours.get(colour) ?? 0) + 1);
  }
  return Object.fromEntries(colours);
})()"""
CONTRAST = """(() => {
  const context = document.createElement("canvas").getContext("2d", {willReadFrequently: true});
  const luminance = (colour) => {
    context.fillStyle = colour;
    context.fillRect(0, 0, 1, 1);
    const [r, g, b] = Array.from(context.getImageData(0, 0, 1, 1).data).map((value) =>
      value <= 10 ? value / 3294.6 : ((value / 255 + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ratio = (a, b) => {
    const [dark, light] = [luminance(a), luminance(b)].sort((x, y) => x - y);
    return (light + 0.05) / (dark + 0.05);
  };
  const read = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const {graph} = page;
  return Math.min(ratio(graph.matchFill, graph.matchInk),
    ...graph.fills.flat().map((fill) => ratio(fill, graph.ink)),
    ...["--ink", "--soft", "--accent", "--warning", "--match"].flatMap((name) =>
      ["--paper", "--panel"].map((below) => ratio(read(name), read(below)))),
    ratio(read("--ink"), read("--accent-soft")));
})()"""


class FlameGraphTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.dir = cls.enterClassContext(tempfile.TemporaryDirectory(prefix="waggle-pages-"))
        subprocess.run([WRITE_PAGES, cls.dir, *PAGES], check=True)
        cls.browser = Browser(find_chromium())
        cls.addClassCleanup(cls.browser.close)

    def setUp(self):
        self.browser.resize(1280, 800)

    def open(self, name):
        self.browser.open(f"{self.dir}/{name}.html")

    def tearDown(self):
        self.assertEqual(self.browser.requests(), [], "a request left the page")
        self.assertEqual(self.browser.complaints(), [])
        self.assertEqual(self.browser.evaluate("typeof window.hit"), "undefined", "a name ran as script")

    def text(self, element):
        return self.browser.evaluate(f"byId({element!r}).innerText")

    def node(self, name):
        return self.browser.evaluate(FIND % name)

    def middle(self, name):
        return self.browser.evaluate(MIDDLE % self.node(name))

    def zoomed(self):
        return self.browser.evaluate("page.model.name(page.model.zoom)")

    def focused(self):
        return self.browser.evaluate("page.model.name(page.graph.focusNode)")

    def settle(self):
        self.browser.wait_for("page.pendingTable === false")

    def first_row(self):
        return self.browser.evaluate("Array.from(byId('rows').rows[0].cells, (cell) => cell.textContent)")

    # -- what is drawn

    def test_draws_many_colours_with_room_for_each_kind(self):
        self.open("known")
        colours = self.browser.evaluate(COLOURS)
        large = [colour for colour, pixels in colours.items() if pixels > 500]
        self.assertGreaterEqual(len(large), 8, colours)

    def test_tells_what_was_recorded(self):
        self.open("known")
        self.assertEqual(self.text("title"), "build-7 · known numbers")
        facts = " ".join(self.text("facts").split())
        for fact in ("samples 1,015", "CPU time 10.10 s", "duration 10.00 s", "frequency 99 Hz",
                     "event cpu-clock", "lost 15", "truncated 7"):
            self.assertIn(fact, facts)
        self.browser.evaluate("byId('more').click()")
        self.assertIn("lost: ring full 12", " ".join(self.text("recording").split()))

    def test_rows_lie_as_wide_as_their_samples(self):
        self.open("known")
        width, left = self.browser.evaluate(
            f"(() => {{ const box = page.graph.findBox({self.node('app')});"
            " return [box.width / page.graph.width, box.x]; })()")
        self.assertAlmostEqual(width, 0.65)
        self.assertEqual(left, 0)  # the heaviest lies first

    def test_gives_each_kind_of_frame_its_colour(self):
        self.open("known")
        for name, kind in (("memchr", "native"), ("vfs_write_[k]", "kernel"), ("serve (app.py:9)_[p]", "python"),
                           ("com/acme/Main.run()V_[j]", "java"), ("(app+0x1234)", "unresolved"),
                           ("[truncated: no unwind info]", "marker"), ("nginx", "process")):
            found = self.browser.evaluate(f"KINDS[page.model.kind({self.node(name)})].id")
            self.assertEqual(found, kind, name)
        legend = " ".join(self.text("legend").split())
        for item in ("native 65.0 %", "Python 15.0 %", "kernel 10.0 %", "Java 5.0 %", "no name 5.0 %", "marker"):
            self.assertIn(item, legend)

    def test_draws_at_every_size_scheme_and_pixel_ratio(self):
        for width, height, ratio, scheme in ((800, 600, 1, "light"), (2560, 1440, 1, "dark"), (1280, 800, 2, "dark")):
            self.browser.resize(width, height, ratio, scheme)
            self.open("busy")
            with self.subTest(width=width, ratio=ratio, scheme=scheme):
                self.assertGreaterEqual(self.browser.evaluate(CONTRAST), 4.5)
                self.assertGreater(len(self.browser.evaluate(COLOURS)), 50)
                self.assertEqual(self.browser.evaluate("byId('canvas').width / byId('canvas').clientWidth"), ratio)
                self.assertTrue(self.browser.evaluate(
                    "document.documentElement.scrollWidth <= innerWidth && "
                    "byId('canvas').getBoundingClientRect().height > 200"))

    def test_redraws_when_the_window_changes(self):
        self.open("known")
        self.browser.resize(1800, 900)
        self.browser.wait_for("page.graph.width > 1100 && byId('canvas').width === page.graph.width")

    def test_an_empty_profile_says_so(self):
        self.open("empty")
        self.assertEqual(self.text("message"), "No samples here.")

    # -- table

    def test_table_counts_recursion_once_and_sorts(self):
        self.open("known")
        self.assertEqual(self.first_row(), ["25.0 %", "25.0 %", "fib"])
        self.browser.evaluate("byId('sort-total').click()")
        self.assertEqual(self.first_row(), ["0.0 %", "87.0 %", "_start"])
        self.browser.evaluate("byId('sort-name').click()")
        self.assertEqual(self.first_row()[2], "(app+0x1234)")

    def test_a_click_in_the_table_searches(self):
        self.open("known")
        self.browser.evaluate("byId('rows').rows[0].querySelector('button').click()")
        self.assertEqual(self.browser.evaluate("byId('search').value"), "fib")
        self.assertEqual(self.text("matched"), "25.0 % in 1 matching name")

    # -- search

    def test_search_highlights_and_tells_the_share(self):
        self.open("known")
        self.browser.press("/")
        self.browser.type("NGX_")
        self.assertEqual(self.text("matched"), "15.0 % in 1 matching name")
        colours = self.browser.evaluate(COLOURS)
        self.assertGreater(colours.get("109,40,217", 0), 500, "no box has the colour of a match")
        self.browser.press("Escape")
        self.assertEqual(self.text("matched"), "")
        self.assertNotIn("109,40,217", self.browser.evaluate(COLOURS))

    def test_search_takes_regular_expressions(self):
        self.open("known")
        self.browser.press("/")
        self.browser.type("/^(fib|memchr)$/")
        self.assertEqual(self.text("matched"), "45.0 % in 2 matching names")
        self.browser.press("Escape")
        self.browser.type("/(/")
        self.assertEqual(self.text("matched"), "not a regular expression")
        self.assertEqual(self.browser.evaluate("byId('search').getAttribute('aria-invalid')"), "true")

    def test_nested_matches_count_once(self):
        self.open("known")
        self.browser.press("/")
        self.browser.type("/main|compute|fib/")
        self.assertEqual(self.text("matched"), "85.0 % in 6 matching names")  # main of C, Python, Java, ...

    def test_n_walks_over_the_matches(self):
        self.open("known")
        self.browser.press("/")
        self.browser.type("_start")
        self.browser.evaluate("byId('canvas').focus()")
        walked = []
        for key in "nnnnN":
            self.browser.press(key)
            walked.append(self.browser.evaluate("page.model.name(page.model.tree.parent[page.graph.focusNode])"))
        self.assertEqual(walked, ["app", "python3", "nginx", "app", "nginx"])

    # -- zoom

    def test_a_click_zooms_and_back_returns(self):
        self.open("known")
        self.browser.click(*self.middle("compute"))
        self.settle()
        self.assertEqual(self.zoomed(), "compute")
        self.assertEqual(self.browser.evaluate(f"page.graph.findBox({self.node('compute')}).width"),
                         self.browser.evaluate("page.graph.width"))
        self.assertEqual(self.first_row()[0], "83.3 %")  # fib, of compute's 300
        crumbs = " ".join(self.text("crumbs").split())
        self.assertTrue(crumbs.startswith("all app _start main compute"), crumbs)
        self.browser.click(*self.middle("fib"))
        self.assertEqual(self.zoomed(), "fib")
        self.browser.evaluate("history.back()")
        self.browser.wait_for("page.model.name(page.model.zoom) === 'compute'")
        self.browser.press("Escape")
        self.browser.wait_for("page.model.zoom === 0")

    def test_the_breadcrumb_leads_back(self):
        self.open("known")
        self.browser.click(*self.middle("compute"))
        self.browser.evaluate("Array.from(byId('crumbs').children).find((crumb) => crumb.innerText === 'app').click()")
        self.assertEqual(self.zoomed(), "app")

    def test_keys_move_and_zoom(self):
        self.open("known")
        walked = []
        for key in ("ArrowDown", "ArrowDown", "ArrowDown", "ArrowDown", "ArrowRight", "ArrowLeft", "ArrowRight",
                    "ArrowUp", "ArrowDown"):
            self.browser.press(key)
            walked.append(self.focused())
        self.assertEqual(walked, ["app", "_start", "main", "compute", "parse_input", "compute", "parse_input",
                                  "main", "compute"])
        self.assertIn("compute · samples 300 (30.0 % of all)", self.text("status"))
        self.browser.press("Enter")
        self.assertEqual(self.zoomed(), "compute")
        self.browser.press("ArrowUp")
        self.browser.press("Enter")
        self.assertEqual(self.zoomed(), "main")
        self.browser.press("Backspace")
        self.browser.wait_for("page.model.name(page.model.zoom) === 'compute'")
        self.browser.press("Home")
        self.assertEqual(self.zoomed(), "all")

    def test_flame_turns_the_rows_and_the_arrows(self):
        self.open("known")
        before = self.middle("memchr")
        self.browser.press("i")
        self.assertEqual(self.browser.evaluate("byId('flame').getAttribute('aria-pressed')"), "true")
        self.assertGreater(self.middle("all")[1], self.middle("memchr")[1])
        self.assertNotEqual(before, self.middle("memchr"))
        self.browser.press("ArrowUp")
        self.assertEqual(self.focused(), "app")
        self.browser.click(*self.middle("memchr"))
        self.assertEqual(self.zoomed(), "memchr")

    def test_a_stack_of_1100_frames_scrolls(self):
        self.open("deep")
        self.browser.evaluate("byId('scroller').scrollTop = 1e9")
        self.browser.wait_for("page.graph.rowAt(page.graph.height - 1) >= 1101")
        self.assertGreater(len(self.browser.evaluate(COLOURS)), 20)
        self.browser.evaluate("page.setFocus(5)")
        self.assertGreaterEqual(self.browser.evaluate("page.graph.top(5)"), 0)

    # -- pointing, help, filters

    def test_the_tooltip_tells_samples_share_and_seconds(self):
        self.open("known")
        self.browser.move(*self.middle("compute"))
        tooltip = " ".join(self.text("tooltip").split())
        for fact in ("compute", "samples 300 (30.0 % of all)", "self 0 (0.0 %)", "CPU time 3.03 s", "kind native"):
            self.assertIn(fact, tooltip)

    def test_a_question_mark_lists_the_keys(self):
        self.open("known")
        self.browser.press("?")
        self.assertTrue(self.browser.evaluate("byId('help').open"))
        self.assertIn("Zoom into the frame", self.text("help"))
        self.browser.press("Escape")
        self.browser.wait_for("!byId('help').open")
        self.assertEqual(self.zoomed(), "all")

    def test_t_hides_the_table(self):
        self.open("known")
        width = self.browser.evaluate("page.graph.width")
        self.browser.press("t")
        self.browser.wait_for(f"page.graph.width > {width}")

    def choose(self, select, label):
        self.browser.evaluate(f"""(() => {{
          const select = byId({select!r});
          select.value = Array.from(select.options).find((option) => option.text.startsWith({label!r})).value;
          select.dispatchEvent(new Event("change"));
        }})()""")
        self.settle()

    def test_filters_by_process_and_by_container(self):
        self.open("known")
        self.choose("process", "nginx")
        self.assertEqual(self.browser.evaluate("page.model.all"), 150)
        self.assertEqual(self.first_row(), ["100 %", "100 %", "ngx_epoll_process_events"])
        self.choose("container", "web-2")
        self.assertEqual(self.browser.evaluate("page.model.all"), 120)
        self.assertEqual(self.browser.evaluate("Array.from(byId('process').options, (option) => option.text)"),
                         ["all (2)", "nginx (58.3 %)", "java (41.7 %)"])
        self.choose("process", "java")
        self.assertEqual(self.browser.evaluate("page.model.all"), 50)
        self.choose("container", "all")
        self.assertEqual(self.browser.evaluate("page.model.all"), 1000)

    def test_hides_the_container_filter_where_there_is_none(self):
        self.open("deep")
        self.assertTrue(self.browser.evaluate("byId('container-label').hidden"))

    # -- hostile names, size

    def test_hostile_names_stay_text(self):
        self.open("known")
        kinds = "Array.from(new Set(Array.from(document.querySelectorAll('*'), (element) => element.tagName))).sort()"
        expected = self.browser.evaluate(kinds)
        self.open("hostile")
        for expression in ("page.zoomTo(2)", "page.setFocus(3)", "byId('search').value = '<img'", "page.search('<img')",
                           "page.pick('</script><img src=x onerror=window.hit=1>')", "byId('more').click()"):
            self.browser.evaluate(expression)
        self.browser.move(400, 200)
        self.settle()
        self.assertEqual(self.browser.evaluate(kinds), expected)
        self.assertEqual(self.text("title"), "</title><img src=x onerror=window.hit=1>")
        names = self.browser.evaluate("page.model.names")
        self.assertIn("</script><img src=x onerror=window.hit=1>", names)
        self.assertIn("a;b\"c'd`${window.hit=1}", names)
        self.assertIn("line\u2028separator\u2029paragraph", names)
        self.assertIn("__proto__", names)
        self.assertIn("\ufffdesrever", names)  # its right-to-left mark is shown, not obeyed
        self.assertIn("new?line?[31m?", names)

    def test_the_policy_stops_what_the_page_does_not_bring(self):
        self.open("known")
        self.browser.evaluate("""document.body.insertAdjacentHTML("beforeend",
            "<img src=x onerror=window.hit=1><p onclick=window.hit=1 id=bait></p>")""")
        self.browser.evaluate("byId('bait').click()")
        self.browser.wait_for("true")
        self.assertGreaterEqual(len(self.browser.complaints()), 1)
        self.assertTrue(all("Content Security Policy" in text for text in self.browser.complaints()))
        self.browser.events.clear()

    def test_200000_stacks_of_depth_40_fit_the_budget(self):
        for name in ("large", "random"):
            self.assertLessEqual(os.path.getsize(f"{self.dir}/{name}.html"), MAX_PAGE_BYTES, name)

    def test_200000_stacks_of_depth_40_can_be_used(self):
        self.open("large")
        self.assertEqual(self.browser.evaluate("page.model.tree.total[0]"), self.browser.evaluate("page.model.all"))
        self.browser.press("/")
        self.browser.type("member_function_4321(")
        self.assertRegex(self.text("matched"), r"^0\.\d+ % in 1 matching name$|^\d+\.\d % in 1 matching name$")


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit("usage: flame_graph_test.py WRITE_PAGES [unittest options]")
    WRITE_PAGES = sys.argv.pop(1)
    if find_chromium() is None:
        print("skipped: no chromium (Debian: chromium)")
        sys.exit(77)
    unittest.main()
