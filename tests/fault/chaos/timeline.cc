#include "tests/fault/chaos/timeline.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdarg>
#include <cstdio>

namespace ringmaster {

namespace {

using std::chrono::milliseconds;
using enum FaultKind;

constexpr double kLeft = 74, kRight = 24, kTop = 92, kLane = 30, kChart = 150, kGap = 46;
constexpr double kWide = 1400;
constexpr milliseconds kStep{500};

struct Paint {
  const char* color;
  const char* meaning;
};

Paint paint_of(FaultKind kind) {
  switch (kind) {
    case kill:
    case crash_database:
    case crash_backend:
    case kill_registry:
    case lose_quorum:
      return {"#c0392b", "killed"};
    case stop:
      return {"#7f8c8d", "stopped in order"};
    case freeze:
    case freeze_all:
    case freeze_backend:
    case freeze_database:
    case freeze_registry:
      return {"#2e86c1", "frozen"};
    case cut:
    case cut_one_way:
    case isolate:
      return {"#e08e0b", "cut off"};
    case reset:
    case end_backends:
      return {"#8e44ad", "connections ended"};
    case slow:
      return {"#58a55c", "slow line"};
  }
  return {"#000000", ""};
}

[[gnu::format(printf, 1, 2)]] std::string text(const char* format, ...) {
  char line[1024];
  va_list arguments;
  va_start(arguments, format);
  std::vsnprintf(line, sizeof line, format, arguments);
  va_end(arguments);
  return line;
}

// What the colour and the lane do not say.
std::string short_name(FaultKind kind) {
  switch (kind) {
    case freeze_all:
      return "freeze all";
    case slow:
      return "slow";
    case crash_database:
      return "crash";
    case freeze_database:
    case freeze_registry:
      return "freeze";
    case kill_registry:
      return "kill";
    case lose_quorum:
      return "no quorum";
    default:
      return std::string(to_string(kind));
  }
}

// A bar of one lane.
struct Bar {
  const DoneFault* done = nullptr;
  std::size_t lane = 0;
  double x = 0, width = 0;
  int row = 0, rows = 1;  // overlapping bars share the height of their lane
};

class Picture {
 public:
  explicit Picture(const ChaosRecord& record) : record_(record) {
    end_ = std::max({record.loaded, record.length, milliseconds(1'000)});
    chart_top_ = kTop + kLane * static_cast<double>(record.nodes.size()) + kGap;
    height_ = chart_top_ + kChart + 44;
  }

  std::string draw() {
    std::string out = text(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %.0f %.0f\" width=\"%.0f\" height=\"%.0f\" "
        "font-family=\"system-ui, 'DejaVu Sans', sans-serif\" font-size=\"12\" fill=\"#222\">\n"
        "<rect width=\"100%%\" height=\"100%%\" fill=\"#fff\"/>\n",
        kWide, height_, kWide, height_);
    return out + heading() + legend() + lanes() + chart() + "</svg>\n";
  }

 private:
  double x_of(milliseconds time) const {
    const double share = static_cast<double>(time.count()) / static_cast<double>(end_.count());
    return kLeft + std::clamp(share, 0.0, 1.0) * (kWide - kLeft - kRight);
  }

  std::string heading() const {
    const std::string verdict =
        record_.broken.empty() ? "every promise was kept" : std::to_string(record_.broken.size()) + " found";
    return text(
        "<text x=\"%.0f\" y=\"30\" font-size=\"19\" font-weight=\"600\">Chaos of seed %llu: %s</text>\n",
        kLeft, static_cast<unsigned long long>(record_.seed), verdict.c_str());
  }

  static std::string legend() {
    constexpr std::array kKinds{kill, freeze, cut, reset, slow, stop};
    std::string out;
    double x = kLeft;
    for (const FaultKind kind : kKinds) {
      const Paint paint = paint_of(kind);
      out += text(
          "<rect x=\"%.0f\" y=\"48\" width=\"22\" height=\"12\" rx=\"2\" fill=\"%s\"/>"
          "<text x=\"%.0f\" y=\"58\">%s</text>\n",
          x, paint.color, x + 28, paint.meaning);
      x += 165;
    }
    return out;
  }

  std::string lanes() const {
    std::string out;
    for (std::size_t i = 0; i < record_.nodes.size(); ++i) {
      const double y = kTop + kLane * static_cast<double>(i);
      out += text(
          "<rect x=\"%.0f\" y=\"%.1f\" width=\"%.0f\" height=\"%.0f\" fill=\"%s\"/>"
          "<text x=\"%.0f\" y=\"%.1f\" text-anchor=\"end\">%s</text>\n",
          kLeft, y, kWide - kLeft - kRight, kLane, i % 2 == 0 ? "#f4f5f7" : "#fafbfc", kLeft - 10,
          y + kLane / 2 + 4, record_.nodes[i].c_str());
    }
    out += grid(kTop, kTop + kLane * static_cast<double>(record_.nodes.size()));
    for (const Bar& bar : bars()) out += draw_bar(bar);
    return out;
  }

  std::vector<Bar> bars() const {
    std::vector<Bar> bars;
    for (const DoneFault& done : record_.faults) {
      if (!done.skipped.empty()) continue;
      for (const std::string& node : {done.fault.node, done.fault.other}) {
        const auto lane = std::ranges::find(record_.nodes, node);
        if (lane == record_.nodes.end()) continue;
        const double x = x_of(done.begun);
        bars.push_back({.done = &done,
                        .lane = static_cast<std::size_t>(lane - record_.nodes.begin()),
                        .x = x,
                        .width = std::max(x_of(done.ended) - x, 4.0)});
      }
    }
    for (std::size_t i = 0; i < bars.size(); ++i) place(bars, i);
    return bars;
  }

  // In the first row of its lane that is free, of as many as its lane needs anywhere.
  static void place(std::vector<Bar>& bars, std::size_t which) {
    Bar& bar = bars[which];
    for (bool moved = true; moved;) {
      moved = false;
      for (std::size_t i = 0; i < which; ++i) {
        const Bar& other = bars[i];
        if (other.lane != bar.lane || other.row != bar.row) continue;
        if (other.x + other.width <= bar.x || bar.x + bar.width <= other.x) continue;
        ++bar.row;
        moved = true;
      }
    }
    int rows = bar.row + 1;
    for (const Bar& other : bars) {
      if (other.lane == bar.lane) rows = std::max(rows, other.rows);
    }
    for (Bar& other : bars) {
      if (other.lane == bar.lane) other.rows = rows;
    }
  }

  std::string draw_bar(const Bar& bar) const {
    const double height = (kLane - 6) / bar.rows;
    const double y = kTop + kLane * static_cast<double>(bar.lane) + 3 + height * bar.row;
    const Fault& fault = bar.done->fault;
    std::string out = text(
        "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" rx=\"2\" fill=\"%s\" fill-opacity=\"%s\">"
        "<title>%s, from %.1f s for %.1f s</title></rect>\n",
        bar.x, y, bar.width, height - 1, paint_of(fault.kind).color,
        fault.kind == cut_one_way ? "0.6" : "0.95", title_of(fault).c_str(),
        static_cast<double>(bar.done->begun.count()) / 1000,
        static_cast<double>((bar.done->ended - bar.done->begun).count()) / 1000);
    const std::string label = label_of(bar);
    constexpr double kLetter = 5.9;
    if (height >= 11 && bar.width > kLetter * static_cast<double>(label.size()) + 6) {
      out += text("<text x=\"%.1f\" y=\"%.1f\" font-size=\"%.0f\" fill=\"#fff\">%s</text>\n", bar.x + 4,
                  y + height / 2 + (height > 13 ? 3.5 : 2.8), std::min(height - 2, 11.0), label.c_str());
    }
    return out;
  }

  std::string label_of(const Bar& bar) const {
    const Fault& fault = bar.done->fault;
    if (fault.kind != cut && fault.kind != cut_one_way) return short_name(fault.kind);
    const std::string& here = record_.nodes[bar.lane];
    return "cut " + (here == fault.node ? fault.other : fault.node);
  }

  std::string grid(double top, double bottom) const {
    std::string out;
    const milliseconds step(end_ > milliseconds(300'000)  ? 60'000
                            : end_ > milliseconds(90'000) ? 10'000
                                                          : 5'000);
    for (milliseconds at{0}; at <= end_; at += step) {
      out += text("<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" stroke=\"#d8dce1\"/>\n", x_of(at),
                  top, x_of(at), bottom);
      out += text("<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\" fill=\"#667\">%lld s</text>\n",
                  x_of(at), bottom + 15, static_cast<long long>(at.count() / 1000));
    }
    return out;
  }

  std::string chart() const {
    const std::vector<double> results = result_rates(record_, kStep), accepts = accept_rates(record_, kStep);
    double most = 10;
    for (const double rate : results) most = std::max(most, rate);
    for (const double rate : accepts) most = std::max(most, rate);
    const double unit = std::pow(10, std::floor(std::log10(most)));
    most = std::ceil(most / unit) * unit;
    const auto y_of = [&](double rate) { return chart_top_ + kChart * (1 - rate / most); };
    std::string out;
    for (const auto& stall : record_.stalls) {
      const double x = x_of(stall.from);
      out += text("<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.0f\" fill=\"#e3d4f0\"/>\n", x,
                  chart_top_, std::max(x_of(stall.to) - x, 2.0), kChart);
    }
    out += grid(chart_top_, chart_top_ + kChart);
    for (int i = 0; i <= 4; ++i) {
      const double rate = most * i / 4;
      out += text(
          "<line x1=\"%.0f\" y1=\"%.1f\" x2=\"%.0f\" y2=\"%.1f\" stroke=\"#e6e9ed\"/>"
          "<text x=\"%.0f\" y=\"%.1f\" text-anchor=\"end\" fill=\"#667\">%.0f</text>\n",
          kLeft, y_of(rate), kWide - kRight, y_of(rate), kLeft - 8, y_of(rate) + 4, rate);
    }
    out += curve(results, y_of, "#1f6f4a", "fill=\"#1f6f4a\" fill-opacity=\"0.14\"");
    out += curve(accepts, y_of, "#d35400", "");
    out += text(
        "<text x=\"%.0f\" y=\"%.1f\"><tspan fill=\"#1f6f4a\" font-weight=\"600\">results recorded</tspan> "
        "and <tspan fill=\"#d35400\" font-weight=\"600\">tasks accepted</tspan> a second%s</text>\n",
        kLeft, chart_top_ - 10,
        record_.stalls.empty() ? "" : "; lilac: the machine itself had no processor or disk to give");
    return out;
  }

  template <class YOf>
  std::string curve(const std::vector<double>& rates, const YOf& y_of, const char* color,
                    const char* area) const {
    if (rates.empty()) return "";
    std::string points;
    for (std::size_t i = 0; i < rates.size(); ++i) {
      points += text("%.1f,%.1f ", x_of(kStep * static_cast<int>(i) + kStep / 2), y_of(rates[i]));
    }
    std::string out;
    if (*area != '\0') {
      out += "<polygon points=\"" + text("%.1f,%.1f ", x_of(kStep / 2), y_of(0)) + points +
             text("%.1f,%.1f", x_of(kStep * static_cast<int>(rates.size()) - kStep / 2), y_of(0)) + "\" " +
             area + "/>\n";
    }
    return out + "<polyline points=\"" + points + "\" fill=\"none\" stroke=\"" + color +
           "\" stroke-width=\"1.6\"/>\n";
  }

  const ChaosRecord& record_;
  milliseconds end_{0};
  double chart_top_ = 0, height_ = 0;
};

}  // namespace

std::string timeline_of(const ChaosRecord& record) {
  return Picture(record).draw();
}

}  // namespace ringmaster
