/* Regions that are drawn, edited and deleted on the map, kept in step with Python.

   Python owns the regions. Every state that it sends has a revision; every answer of the map begins with a
   feature that names the revision on which it is based. Python ignores answers to older revisions, so a map that
   was just mounted and is still empty can never wipe out what is on disk, while deleting everything can.

   Editing and deleting are transactions: until Save the map answers with the shapes as they were at the start.
   A click on a shape makes streamlit_folium ask, and a half-done change that went to Python would come back as
   a newer state, which undoes every change after it. */
(function () {
  "use strict";

  var map = null, drawn = null, fixed = null;
  var session = null, revision = null;
  var role = "train", colours = {};
  var busy = false, held = null;
  /* The open transaction: the answer at its start, and what Save has changed. */
  var transaction = null;

  function identify() {
    return "m" + Date.now().toString(36) + Math.random().toString(36).slice(2, 8);
  }

  function properties(layer) {
    return (layer.feature && layer.feature.properties) || {};
  }

  function style(properties) {
    var colour = colours[properties.role] || "#cccccc";
    return {
      color: properties.problem ? "#ff5a4f" : colour, fillColor: colour, weight: 2.5, opacity: 1,
      fillOpacity: 0.16, dashArray: properties.problem ? "6 5" : null
    };
  }

  function label(layer) {
    var said = properties(layer);
    layer.unbindTooltip();
    if (!said.name) { return; }
    var text = document.createElement("span");
    text.textContent = said.name + " · " + said.role + (said.area ? " · " + said.area : "") +
      (said.problem ? " · " + said.problem : "");
    layer.bindTooltip(text, { sticky: true, className: "nl-tooltip" });
  }

  /* Polygons in several parts cannot be edited by hand; they are shown, not drawn. */
  function layerOf(feature) {
    var layers = L.geoJSON({ type: "Feature", properties: {}, geometry: feature.geometry }).getLayers();
    var layer = layers[0];
    layer.feature = { type: "Feature", properties: feature.properties, geometry: feature.geometry };
    return layer;
  }

  function layersByIdentity() {
    var found = {};
    [drawn, fixed].forEach(function (group) {
      group.eachLayer(function (layer) { found[properties(layer).uid] = layer; });
    });
    return found;
  }

  function remove(layer) {
    drawn.removeLayer(layer);
    fixed.removeLayer(layer);
  }

  /* Show what Python sent, but for the shapes in changes (by uid): they were just edited or deleted here. */
  function synchronise(sent, changes) {
    if (busy) { held = sent; return; }
    if (sent.session !== session) {
      drawn.clearLayers();
      fixed.clearLayers();
      session = sent.session;
    }
    var existing = layersByIdentity(), unseen = false, changed = false;
    var wanted = {};
    sent.features.forEach(function (feature) {
      var uid = feature.properties.uid, layer = existing[uid];
      wanted[uid] = true;
      if (changes[uid]) {
        changed = true;
        if (!layer) { return; }
      } else if (!layer || properties(layer).shape !== feature.properties.shape) {
        if (layer) { remove(layer); }
        layer = layerOf(feature);
        (feature.geometry.type === "Polygon" ? drawn : fixed).addLayer(layer);
      }
      layer.feature.properties = feature.properties;
      layer.setStyle(style(feature.properties));
      label(layer);
    });
    Object.keys(existing).forEach(function (uid) {
      if (wanted[uid]) { return; }
      if (sent.gone.indexOf(uid) >= 0) { remove(existing[uid]); } else { unseen = true; }
    });
    revision = sent.revision;
    map.getContainer().dataset.revision = revision;
    map.getContainer().dataset.regions = String(sent.features.length);
    if (unseen || changed) { report(); }
  }

  function report() {
    window.__GLOBAL_DATA__.all_drawings = drawn.toGeoJSON().features;
    map.fire("moveend");
  }

  function stampAnswers() {
    var plain = drawn.toGeoJSON;
    drawn.toGeoJSON = function () {
      if (transaction && !transaction.saved) { return transaction.answer; }
      var answer = plain.apply(drawn, arguments);
      var stamp = { type: "Feature", geometry: null, properties: { revision: revision, session: session } };
      return { type: "FeatureCollection", features: [stamp].concat(answer.features) };
    };
  }

  function setRole(next) {
    role = next;
    map.getContainer().dataset.role = role;
    Object.keys(window).forEach(function (key) {
      var control = key.indexOf("draw_control_") === 0 ? window[key] : null;
      if (control && control.setDrawingOptions) {
        var shape = { shapeOptions: style({ role: role }) };
        control.setDrawingOptions({ polygon: shape, rectangle: shape });
      }
    });
  }

  function save(event) {
    if (!transaction) { return; }
    transaction.saved = true;
    event.layers.eachLayer(function (layer) { transaction.changes[properties(layer).uid] = true; });
  }

  function end() {
    var changes = transaction ? transaction.changes : {};
    transaction = null;
    busy = false;
    if (held) {
      var sent = held;
      held = null;
      window.setTimeout(function () { synchronise(sent, changes); }, 0);
    }
  }

  function pause(event, inTransaction) {
    map.on(event + "start", function () {
      busy = true;
      if (inTransaction) { transaction = { answer: drawn.toGeoJSON(), saved: false, changes: {} }; }
    });
    map.on(event + "stop", end);
  }

  window.NightlightsMap.parts.push({
    attach: function (theMap, options) {
      if (!options.draw) { return; }
      map = theMap;
      drawn = window.drawnItems;
      fixed = L.featureGroup().addTo(map);
      colours = options.colours;
      stampAnswers();
      map.on("draw:created", function (event) {
        event.layer.feature = { type: "Feature", properties: { uid: identify(), role: role } };
        event.layer.setStyle(style({ role: role }));
      });
      pause("draw:draw", false);
      pause("draw:edit", true);
      pause("draw:delete", true);
      map.on("draw:edited draw:deleted", save);
      setRole(role);
    },
    receive: function (command) {
      if (!map || !command.regions) { return; }
      setRole(command.regions.new_role);
      if (command.regions.revision !== revision) { synchronise(command.regions, {}); }
    }
  });
})();
