"""The page in Firefox, where one is installed."""

import pytest
from helpers import firefox

pytestmark = [*firefox.NEEDED]
VERDICT = "return document.getElementById('verdict').dataset.different"
WORDS = "return [...document.querySelectorAll('#words b')].map(b => b.textContent)"


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    """Its microphone hums as the spotter's low tone does."""
    preferences = {**firefox.HUMMING, "media.navigator.audio.fake_frequency": 400}
    profile = tmp_path_factory.mktemp("profile")
    with firefox.launched(profile, preferences) as browser:
        yield browser


@pytest.mark.parametrize("kind", ["spotter", "word_loop", "labels", "earlier"])
def test_the_golden_recordings_are_met_to_the_bit(browser, pages, kind):
    browser.open(pages[kind].as_uri() + "#verify")
    assert browser.wait(VERDICT) == "0"
    said = browser.run("return document.getElementById('verdict').textContent")
    assert said.startswith("0 bits differ: 0 of ") and " of the logits, in " in said


def test_words_come_from_a_recording_and_a_microphone(browser, pages, spotter):
    browser.open(pages["spotter"].as_uri())
    browser.wait("return document.getElementById('recording').length")
    browser.click("#play")
    said = browser.wait("return document.getElementById('status').textContent")
    words = (spotter / "golden" / "words.txt").read_text().splitlines()[8].split()
    assert said == f"Heard 6.6 s: {len(words)} words." and browser.run(WORDS) == words
    browser.click("#microphone")
    assert browser.wait("return document.getElementById('words').children.length") == 1
    assert browser.run(WORDS) == ["low"]
    said = browser.run("return document.getElementById('status').textContent")
    assert said == "Listening: 44,100 Hz, resampled to 8,000 Hz."
    browser.click("#microphone")
