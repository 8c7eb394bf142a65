// A map of dots on a canvas: zooms, pans, and finds the dot under the pointer. It knows nothing about documents.
class DotMap {
  // x and y are between 0 and 1. The owner sets colorOf (an index per dot), shows (1 or 0 per dot), labels, and calls draw().
  constructor(canvas, x, y, { onHover, onSelect }) {
    Object.assign(this, { canvas, x, y, onHover, onSelect, colors: [], labels: [], hovered: -1, selected: -1 });
    this.context = canvas.getContext("2d", { alpha: false, willReadFrequently: true });
    this.rings = canvas.cloneNode(false);
    for (const name of [...this.rings.attributes].map(each => each.name)) this.rings.removeAttribute(name);
    this.rings.setAttribute("aria-hidden", "true");
    canvas.after(this.rings);
    this.n = x.length;
    this.colorOf = new Int16Array(this.n);
    this.shows = new Uint8Array(this.n).fill(1);
    this.view = { x: 0.5, y: 0.5, zoom: 1 };
    this.cells = 96;
    this.grid = new Map();
    for (let i = 0; i < this.n; i++) {
      const key = this.cell(x[i]) * this.cells + this.cell(y[i]);
      if (!this.grid.has(key)) this.grid.set(key, []);
      this.grid.get(key).push(i);
    }
    this.listen();
    new ResizeObserver(() => this.draw()).observe(canvas);
  }

  cell(value) { return Math.max(0, Math.min(this.cells - 1, Math.floor(value * this.cells))); }

  measure() {
    const { clientWidth: width, clientHeight: height } = this.canvas, ratio = devicePixelRatio || 1;
    if (this.canvas.width !== Math.round(width * ratio) || this.canvas.height !== Math.round(height * ratio)) {
      this.canvas.width = Math.round(width * ratio);
      this.canvas.height = Math.round(height * ratio);
    }
    this.width = width; this.height = height;
    this.scale = Math.min(width, height * 1.4) * 0.97 * this.view.zoom;
    this.scaleY = Math.min(this.scale, height * 0.96 * this.view.zoom);
    this.context.setTransform(ratio, 0, 0, ratio, 0, 0);
  }

  toScreen(i) {
    return [(this.x[i] - this.view.x) * this.scale + this.width / 2, (this.y[i] - this.view.y) * this.scaleY + this.height / 2];
  }

  radius() { return Math.max(1.5, Math.min(9, (165 / Math.sqrt(this.n + 900)) * (this.width < 500 ? 0.75 : 1) * this.view.zoom ** 0.4)); }

  // How much of each pixel a dot covers, for 4 x 4 positions of its center within a pixel.
  masks(radius) {
    if (this.maskRadius === radius) return this.maskSet;
    const size = Math.ceil(2 * radius) + 2, steps = 4, set = [];
    for (let a = 0; a < steps; a++) for (let b = 0; b < steps; b++) {
      const mask = new Float32Array(size * size), cx = (size >> 1) + (a + 0.5) / steps, cy = (size >> 1) + (b + 0.5) / steps;
      for (let y = 0; y < size; y++) for (let x = 0; x < size; x++)
        mask[y * size + x] = Math.max(0, Math.min(1, radius + 0.5 - Math.hypot(x + 0.5 - cx, y + 0.5 - cy)));
      set.push(mask);
    }
    this.maskRadius = radius;
    return (this.maskSet = { size, steps, set });
  }

  // Colors of the style sheet as red, green and blue; they change with the color scheme.
  rgb(name) {
    const style = getComputedStyle(this.canvas), text = name.startsWith("--") ? style.getPropertyValue(name).trim() : name;
    this.known ??= new Map();
    if (!this.known.has(text)) {
      const probe = (this.probe ??= new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true }));
      probe.fillStyle = text;
      probe.fillRect(0, 0, 1, 1);
      this.known.set(text, [...probe.getImageData(0, 0, 1, 1).data.slice(0, 3)]);
    }
    return this.known.get(text);
  }

  // Dots are written into pixels here: for twenty thousand of them, that is ten times as fast as drawing circles.
  draw() {
    this.measure();
    const { context, n, x, y, shows, colorOf, view } = this, ratio = devicePixelRatio || 1, { width, height } = this.canvas;
    if (!width || !height) return;
    if (this.image?.width !== width || this.image.height !== height) this.image = context.createImageData(width, height);
    const pixels = this.image.data, [red, green, blue] = this.rgb("--paper");
    new Uint32Array(pixels.buffer).fill((255 << 24) | (blue << 16) | (green << 8) | red);
    const scaleX = this.scale * ratio, scaleY = this.scaleY * ratio, left = width / 2 - view.x * scaleX, top = height / 2 - view.y * scaleY;
    const paint = (radius, opacity, wanted, colors) => {
      const { size, steps, set } = this.masks(radius * ratio), half = size >> 1;
      for (let i = 0; i < n; i++) {
        if (shows[i] !== wanted) continue;
        const px = x[i] * scaleX + left, py = y[i] * scaleY + top, x0 = Math.floor(px), y0 = Math.floor(py);
        if (!(x0 > -half && y0 > -half && x0 < width + half && y0 < height + half)) continue;
        const fromX = Math.max(0, half - x0), toX = Math.min(size, width - x0 + half), toY = Math.min(size, height - y0 + half);
        const mask = set[Math.floor((px - x0) * steps) * steps + Math.floor((py - y0) * steps)], color = colors[wanted ? colorOf[i] : 0];
        for (let row = Math.max(0, half - y0); row < toY; row++) {
          let place = ((y0 - half + row) * width + x0 - half + fromX) * 4;
          for (let column = fromX; column < toX; column++, place += 4) {
            const share = mask[row * size + column] * opacity;
            if (share === 0) continue;
            pixels[place] += (color[0] - pixels[place]) * share;
            pixels[place + 1] += (color[1] - pixels[place + 1]) * share;
            pixels[place + 2] += (color[2] - pixels[place + 2]) * share;
          }
        }
      }
    };
    const radius = this.radius();
    if (shows.includes(0)) paint(radius * 0.8, 0.2, 0, [this.rgb("--faint")]);
    paint(radius, n > 4000 ? 0.75 : 0.85, 1, this.colors.map(name => this.rgb(name)));
    context.putImageData(this.image, 0, 0);
    this.drawLabels();
    this.drawRings();
  }

  // The rings around the chosen dots are on a second canvas, so that hovering does not draw the map again.
  drawRings() {
    const ratio = devicePixelRatio || 1, context = this.rings.getContext("2d"), [red, green, blue] = this.rgb("--ink");
    if (this.rings.width !== this.canvas.width || this.rings.height !== this.canvas.height) {
      this.rings.width = this.canvas.width;
      this.rings.height = this.canvas.height;
    }
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, this.width, this.height);
    context.strokeStyle = `rgb(${red} ${green} ${blue})`;
    for (const [i, line] of [[this.selected, 2.5], [this.hovered, 2]]) {
      if (i < 0) continue;
      context.lineWidth = line;
      context.beginPath();
      context.arc(...this.toScreen(i), this.radius() + 3, 0, 7);
      context.stroke();
    }
  }

  // Labels come with the most important first; one that would overlap another is left out until there is room.
  drawLabels() {
    const color = name => getComputedStyle(this.canvas).getPropertyValue(`--${name}`).trim(), paper = color("paper"), ink = color("ink");
    const { context, width, height } = this, taken = [], small = width < 500;
    context.textAlign = "center";
    context.textBaseline = "middle";
    context.lineJoin = "round";
    for (const label of this.labels) {
      const size = Math.round((small ? 10.5 : 12) + (small ? 1.5 : 3) * label.weight);
      context.font = `650 ${size}px -apple-system, "Segoe UI", Roboto, "Noto Sans", Helvetica, Arial, sans-serif`;
      const half = context.measureText(label.text).width / 2 + 7, tall = size / 2 + 5;
      let x = (label.x - this.view.x) * this.scale + width / 2;
      const y = (label.y - this.view.y) * this.scaleY + height / 2;
      if (x < -20 || x > width + 20 || y < 0 || y > height) continue;
      x = Math.max(half, Math.min(width - half, x));
      if (x + half > width - 50 && y < 125) continue; // the buttons
      const box = [x - half, x + half, y - tall, y + tall];
      if (taken.some(other => box[0] < other[1] && box[1] > other[0] && box[2] < other[3] && box[3] > other[2])) continue;
      taken.push(box);
      const opacity = label.dimmed ? 0.35 : 1;
      context.lineWidth = 4;
      context.globalAlpha = 0.88 * opacity;
      context.strokeStyle = paper;
      context.strokeText(label.text, x, y);
      context.globalAlpha = opacity;
      context.fillStyle = ink;
      context.fillText(label.text, x, y);
      context.globalAlpha = 1;
    }
  }

  // Return the shown dot nearest to a position on the screen, or -1; `reach` is in pixels.
  nearest(px, py, reach = 14) {
    const x = (px - this.width / 2) / this.scale + this.view.x, y = (py - this.height / 2) / this.scaleY + this.view.y;
    const rx = reach / this.scale, ry = reach / this.scaleY;
    let best = -1, least = reach * reach;
    for (let a = this.cell(x - rx); a <= this.cell(x + rx); a++) for (let b = this.cell(y - ry); b <= this.cell(y + ry); b++)
      for (const i of this.grid.get(a * this.cells + b) || []) {
        if (!this.shows[i]) continue;
        const distance = ((this.x[i] - x) * this.scale) ** 2 + ((this.y[i] - y) * this.scaleY) ** 2;
        if (distance < least) [best, least] = [i, distance];
      }
    return best;
  }

  // Return the nearest shown dot in a direction, for the arrow keys.
  neighbor(i, dx, dy) {
    let best = -1, least = Infinity;
    for (let j = 0; j < this.n; j++) {
      if (j === i || !this.shows[j]) continue;
      const x = (this.x[j] - this.x[i]) * this.scale, y = (this.y[j] - this.y[i]) * this.scaleY;
      const along = x * dx + y * dy, across = Math.abs(x * dy) + Math.abs(y * dx);
      if (along > 1 && along >= across && along + 2 * across < least) [best, least] = [j, along + 2 * across];
    }
    return best;
  }

  zoomBy(factor, px = this.width / 2, py = this.height / 2) {
    const x = (px - this.width / 2) / this.scale + this.view.x, y = (py - this.height / 2) / this.scaleY + this.view.y;
    this.view.zoom = Math.max(1, Math.min(40, this.view.zoom * factor));
    this.measure();
    this.view.x = x - (px - this.width / 2) / this.scale;
    this.view.y = y - (py - this.height / 2) / this.scaleY;
    this.keepInside();
  }

  panBy(dx, dy) {
    this.view.x -= dx / this.scale;
    this.view.y -= dy / this.scaleY;
    this.keepInside();
  }

  keepInside() {
    for (const axis of ["x", "y"]) this.view[axis] = Math.max(0, Math.min(1, this.view[axis]));
    if (this.view.zoom === 1) this.view.x = this.view.y = 0.5;
    this.canvas.classList.toggle("zoomed", this.view.zoom > 1); // then a finger moves the map, not the page
    this.redraw();
  }

  showAll() {
    this.view.zoom = 1;
    this.keepInside();
  }

  // Move the map so that a dot is inside it.
  reveal(i) {
    this.measure();
    const [x, y] = this.toScreen(i), margin = 40;
    if (x < margin || y < margin || x > this.width - margin || y > this.height - margin) {
      [this.view.x, this.view.y] = [this.x[i], this.y[i]];
      this.keepInside();
    } else this.drawRings();
  }

  redraw() {
    if (this.waiting) return;
    this.waiting = true;
    requestAnimationFrame(() => { this.waiting = false; this.draw(); });
  }

  hover(i) {
    if (i === this.hovered) return;
    this.hovered = i;
    this.canvas.classList.toggle("over", i >= 0);
    this.onHover(i);
    this.drawRings();
  }

  listen() {
    const { canvas } = this, pointers = new Map();
    let moved = 0, apart = 0;
    const place = event => { const box = canvas.getBoundingClientRect(); return [event.clientX - box.left, event.clientY - box.top]; };
    const spread = () => { const [a, b] = [...pointers.values()]; return Math.hypot(a[0] - b[0], a[1] - b[1]); };
    canvas.addEventListener("wheel", event => {
      if (event.ctrlKey || event.metaKey || document.activeElement === canvas || this.view.zoom > 1) {
        event.preventDefault();
        this.zoomBy(Math.exp(-event.deltaY * (event.ctrlKey ? 0.01 : 0.0022)), ...place(event));
      }
    }, { passive: false });
    canvas.addEventListener("dblclick", event => this.zoomBy(2, ...place(event)));
    canvas.addEventListener("pointerdown", event => {
      canvas.setPointerCapture(event.pointerId);
      pointers.set(event.pointerId, place(event));
      moved = 0;
      if (pointers.size === 2) apart = spread();
    });
    canvas.addEventListener("pointermove", event => {
      const [x, y] = place(event), before = pointers.get(event.pointerId);
      if (!before) return this.hover(this.nearest(x, y));
      pointers.set(event.pointerId, [x, y]);
      moved += Math.abs(x - before[0]) + Math.abs(y - before[1]);
      if (pointers.size === 2) {
        const [a, b] = [...pointers.values()], now = spread();
        this.zoomBy(now / (apart || now), (a[0] + b[0]) / 2, (a[1] + b[1]) / 2);
        apart = now;
      } else if (moved > 4) {
        canvas.classList.add("dragging");
        this.hover(-1);
        this.panBy(x - before[0], y - before[1]);
      }
    });
    const release = event => {
      const single = pointers.size === 1;
      pointers.delete(event.pointerId);
      canvas.classList.remove("dragging");
      if (event.type === "pointerup" && single && moved <= 4) {
        const i = this.nearest(...place(event), event.pointerType === "touch" ? 24 : 14);
        this.hover(i);
        this.onSelect(i);
      }
    };
    canvas.addEventListener("pointerup", release);
    canvas.addEventListener("pointercancel", release);
    canvas.addEventListener("pointerleave", () => pointers.size || this.hover(-1));
    canvas.addEventListener("keydown", event => this.press(event));
    canvas.addEventListener("blur", () => this.hover(-1));
  }

  press(event) {
    const arrows = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }, arrow = arrows[event.key];
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (arrow && event.shiftKey) this.panBy(-80 * arrow[0], -80 * arrow[1]);
    else if (arrow) {
      const start = this.hovered >= 0 ? this.hovered : this.nearest(this.width / 2, this.height / 2, 1e4);
      const next = this.hovered < 0 ? start : this.neighbor(start, ...arrow);
      if (next >= 0) { this.hover(next); this.reveal(next); }
    } else if (event.key === "+" || event.key === "=") this.zoomBy(1.6);
    else if (event.key === "-") this.zoomBy(1 / 1.6);
    else if (event.key === "0") this.showAll();
    else if (event.key === "Enter" && this.hovered >= 0) this.onSelect(this.hovered);
    else if (event.key === "Escape") { this.hover(-1); this.onSelect(-1); }
    else return;
    event.preventDefault();
  }
}
