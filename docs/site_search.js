/* Search also where the pages are opened as files: there browsers start no worker and read
   no JSON, so that the index comes as a script, which `site_hooks.py` has written. */
if (location.protocol === "file:") {
  window.Worker = function () {
    var worker = this, index, pages = {};

    function load(path, then) {
      var script = document.createElement("script");
      script.src = joinUrl(base_url, path);
      script.onload = then;
      document.head.appendChild(script);
    }

    function ready() {
      index = lunr(function () {
        this.field("title");
        this.field("text");
        this.ref("location");
        searchIndex.docs.forEach(function (page) {
          pages[page.location] = page;
          this.add(page);
        }, this);
      });
      worker.onmessage({ data: { config: searchIndex.config } });
      worker.onmessage({ data: { allowSearch: true } });
    }

    function find(query) {
      return index.search(query).map(function (found) {
        var page = pages[found.ref];
        return { ...page, summary: page.text.substring(0, 200) };
      });
    }

    this.postMessage = function (message) {
      if (message.query) {
        worker.onmessage({ data: { results: find(message.query) } });
      } else if (document.getElementById("mkdocs-search-results")) {
        load("search/lunr.js", function () { load("search/search_index.js", ready); });
      }
    };
  };
}
