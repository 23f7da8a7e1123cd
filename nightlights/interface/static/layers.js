/* Raster layers, a swipe between two of them, a legend, and outlines to look at. */
(function () {
  "use strict";

  var map = null, legend = null, divider = null, outlines = null;
  var layers = {}, last = {};
  var swiping = false, share = 0.5;

  function pane(side) {
    var name = "raster-" + (side || "both");
    if (!map.getPane(name)) {
      map.createPane(name).style.zIndex = side ? 321 : 320;
      map.getPane(name).style.pointerEvents = "none";
    }
    return name;
  }

  function show(wanted) {
    var kept = {};
    wanted.forEach(function (layer, index) {
      var id = layer.url + "|" + (layer.side || "");
      kept[id] = true;
      if (!layers[id]) {
        layers[id] = L.tileLayer(layer.url, {
          pane: pane(layer.side), bounds: layer.bounds, minZoom: layer.min_zoom, maxZoom: map.getMaxZoom(),
          maxNativeZoom: layer.max_zoom, className: layer.smooth ? "" : "nl-crisp",
          attribution: layer.attribution
        }).addTo(map);
      }
      layers[id].setOpacity(layer.opacity);
      layers[id].setZIndex(index + 1);
    });
    Object.keys(layers).forEach(function (id) {
      if (!kept[id]) { map.removeLayer(layers[id]); delete layers[id]; }
    });
    map.getContainer().dataset.layers = wanted.map(function (layer) { return layer.name; }).join(",");
    clip();
  }

  function clip() {
    var size = map.getSize(), x = Math.round(size.x * share);
    var corner = map.containerPointToLayerPoint([0, 0]), end = map.containerPointToLayerPoint(size);
    function cut(name, left, right) {
      if (!map.getPane(name)) { return; }
      map.getPane(name).style.clip = swiping
        ? "rect(" + [corner.y, right, end.y, left].map(function (edge) { return edge + "px"; }).join(",") + ")"
        : "";
    }
    cut("raster-left", corner.x, corner.x + x);
    cut("raster-right", corner.x + x, end.x);
    if (divider) {
      divider.style.left = x + "px";
      divider.setAttribute("aria-valuenow", String(Math.round(share * 100)));
    }
  }

  function move(next) {
    share = Math.min(0.98, Math.max(0.02, next));
    clip();
  }

  function addDivider(names) {
    divider = L.DomUtil.create("div", "nl-divider", map.getContainer());
    divider.tabIndex = 0;
    divider.setAttribute("role", "slider");
    divider.setAttribute("aria-label", "Border between " + names.join(" and "));
    divider.setAttribute("aria-valuemin", "0");
    divider.setAttribute("aria-valuemax", "100");
    names.forEach(function (name, index) {
      L.DomUtil.create("span", index ? "nl-right" : "nl-left", divider).textContent = name;
    });
    L.DomUtil.create("i", "", divider);
    L.DomEvent.disableClickPropagation(divider);
    divider.addEventListener("pointerdown", function (event) {
      divider.setPointerCapture(event.pointerId);
      event.preventDefault();
      event.stopPropagation();
    });
    divider.addEventListener("pointermove", function (event) {
      if (!divider.hasPointerCapture(event.pointerId)) { return; }
      var box = map.getContainer().getBoundingClientRect();
      move((event.clientX - box.left) / box.width);
    });
    divider.addEventListener("keydown", function (event) {
      var step = { ArrowLeft: -0.02, ArrowRight: 0.02 }[event.key];
      if (step) { move(share + step); event.preventDefault(); event.stopPropagation(); }
    });
  }

  function swipe(names) {
    if (divider) { divider.remove(); divider = null; }
    swiping = Boolean(names);
    if (names) { addDivider(names); }
    clip();
  }

  function explain(legends) {
    if (legend) { legend.remove(); legend = null; }
    if (!legends || !legends.length) { return; }
    legend = L.control({ position: "bottomright" });
    legend.onAdd = function () {
      var box = L.DomUtil.create("div", "nl-legend");
      legends.forEach(function (entry) {
        var part = L.DomUtil.create("div", "", box);
        part.title = entry.help;
        L.DomUtil.create("div", "nl-legend-title", part).textContent =
          entry.title + (entry.unit ? " (" + entry.unit + ")" : "");
        if (entry.gradient) { L.DomUtil.create("div", "nl-legend-bar", part).style.background = entry.gradient; }
        var row = L.DomUtil.create("div", "nl-legend-ticks", part);
        entry.ticks.forEach(function (tick) {
          var mark = L.DomUtil.create("span", "", row);
          mark.textContent = tick.label;
          mark.style.left = tick.position * 100 + "%";
          mark.style.transform = "translateX(-" + tick.position * 100 + "%)";
        });
      });
      return box;
    };
    legend.addTo(map);
  }

  function outline(shapes) {
    outlines.clearLayers();
    shapes.forEach(function (shape) {
      L.geoJSON(shape.geometry, {
        interactive: false, style: { color: shape.colour, weight: 2, fill: false }
      }).addTo(outlines);
    });
  }

  /* Redrawn only when it differs: a legend that blinks, or a border that jumps, would annoy. */
  function changed(key, value) {
    var text = JSON.stringify(value);
    if (last[key] === text) { return false; }
    last[key] = text;
    return true;
  }

  window.NightlightsMap.parts.push({
    attach: function (theMap) {
      map = theMap;
      outlines = L.layerGroup().addTo(map);
      map.on("move zoomend resize viewreset", clip);
    },
    receive: function (command) {
      if (changed("layers", command.layers)) { show(command.layers); }
      if (changed("swipe", command.swipe)) { swipe(command.swipe); }
      if (changed("legends", command.legends)) { explain(command.legends); }
      if (changed("outlines", command.outlines)) { outline(command.outlines); }
    }
  });
})();
