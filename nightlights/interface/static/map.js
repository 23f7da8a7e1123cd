/* The living map: base layers, the view that is kept, and the commands that Python sends.

   The page's script builds the map once. Everything that moves afterwards arrives as one command object
   through NightlightsMap.receive, so the map is never torn down while somebody draws on it. */
(function () {
  "use strict";

  var parts = [];
  var state = null;
  var waiting = null;

  function remember(key, value) {
    try { window.localStorage.setItem("nightlights-" + key, JSON.stringify(value)); } catch (refused) { /* private window */ }
  }

  function recall(key) {
    try { return JSON.parse(window.localStorage.getItem("nightlights-" + key)); } catch (refused) { return null; }
  }

  function showOutline(map, url) {
    var pane = map.createPane("outline");
    pane.style.zIndex = 150;
    fetch(url).then(function (answer) { return answer.ok ? answer.json() : null; }).then(function (land) {
      if (!land) { return; }
      state.outline = L.geoJSON(land, {
        pane: "outline", interactive: false, renderer: L.canvas({ pane: "outline", padding: 0.3 }),
        style: outlineStyle
      }).addTo(map);
      map.getContainer().dataset.outline = "shown";
    }).catch(function () { /* the map works without it */ });
  }

  function outlineStyle() {
    var light = state.theme === "light";
    return {
      stroke: true, weight: 0.8, color: light ? "#a89f8a" : "#3d4d70",
      fillColor: light ? "#efeadd" : "#151f35", fillOpacity: 1
    };
  }

  function baseLayers(map, options) {
    var bases = {};
    options.bases.forEach(function (base) {
      bases[base.name] = base.url
        ? L.tileLayer(base.url, {
            attribution: base.attribution, minZoom: base.min_zoom, maxZoom: options.max_zoom,
            minNativeZoom: base.min_native_zoom, maxNativeZoom: base.max_zoom
          })
        : L.layerGroup([]);
    });
    var chosen = recall("base");
    var first = bases[chosen] ? chosen : options.bases[0].name;
    bases[first].addTo(map);
    if (options.bases.length > 1) { L.control.layers(bases, {}, { collapsed: true }).addTo(map); }
    map.on("baselayerchange", function (event) { remember("base", event.name); });
  }

  function keepView(map, key) {
    var view = recall("view-" + key);
    if (view && isFinite(view.lat) && isFinite(view.lng) && isFinite(view.zoom)) {
      map.setView([view.lat, view.lng], view.zoom, { animate: false });
    }
    map.on("moveend", function () {
      var center = map.getCenter();
      remember("view-" + key, { lat: center.lat, lng: center.lng, zoom: map.getZoom() });
    });
  }

  function placeNames(map, url) {
    var names = L.layerGroup().addTo(map);
    var asked = 0;
    map.createPane("places").style.zIndex = 350;
    map.getPane("places").style.pointerEvents = "none";
    function ask() {
      var bounds = map.getBounds(), turn = ++asked;
      var size = map.getSize();
      var query = "?west=" + bounds.getWest() + "&south=" + bounds.getSouth() + "&east=" + bounds.getEast() +
        "&north=" + bounds.getNorth() + "&width=" + size.x + "&height=" + size.y;
      fetch(url + query).then(function (answer) { return answer.ok ? answer.json() : []; }).then(function (places) {
        if (turn !== asked) { return; }
        names.clearLayers();
        places.forEach(function (place) {
          var label = document.createElement("span");
          label.textContent = place.name;
          L.marker([place.latitude, place.longitude], {
            pane: "places", interactive: false, keyboard: false,
            icon: L.divIcon({ className: "nl-place", html: label, iconSize: null })
          }).addTo(names);
        });
      }).catch(function () { /* the map works without names */ });
    }
    map.on("moveend", ask);
    ask();
  }

  function setTheme(theme) {
    state.theme = theme;
    document.body.dataset.theme = theme;
    if (state.outline) { state.outline.setStyle(outlineStyle()); }
  }

  function goTo(view) {
    if (!view || view.token === state.viewToken) { return; }
    state.viewToken = view.token;
    var done = recall("view-done");
    if (done === view.token) { return; }
    remember("view-done", view.token);
    if (view.bounds) { state.map.fitBounds(view.bounds, { padding: [12, 12], maxZoom: 14, animate: false }); }
    else { state.map.setView([view.latitude, view.longitude], view.zoom, { animate: false }); }
  }

  window.NightlightsMap = {
    parts: parts,
    attach: function (map, options) {
      state = { map: map, options: options, theme: "dark", outline: null, viewToken: null };
      setTheme("dark");
      // Else a base layer that begins at a higher zoom would keep the map from zooming out.
      map.setMinZoom(options.min_zoom).setMaxZoom(options.max_zoom);
      showOutline(map, options.outline);
      baseLayers(map, options);
      if (options.keep_view) { keepView(map, options.keep_view); }
      if (options.places) { placeNames(map, options.places); }
      L.control.scale({ imperial: false }).addTo(map);
      map.attributionControl.setPrefix(false);
      parts.forEach(function (part) { part.attach(map, options); });
      if (waiting) { window.NightlightsMap.receive(waiting); }
      // A map that was laid out in a hidden or narrow frame must measure itself again.
      new ResizeObserver(function () { map.invalidateSize(); }).observe(map.getContainer());
    },
    receive: function (command) {
      if (!state) { waiting = command; return; }
      setTheme(command.theme || "dark");
      goTo(command.view);
      parts.forEach(function (part) { part.receive(command); });
    }
  };
})();
