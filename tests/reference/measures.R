# Writes measures.json and medians.json beside this file: Rscript tests/reference/measures.R
#
# measures.json: metafor's escalc() and transf.ipft.hm(), and base R's exact and score
# intervals. A number that R gives as NA or infinite is null.
# medians.json: conv.fivenum() came to metafor with 4.0, after the version used here, so
# the papers' equations are written out below, apart from the library's code; the values
# printed by other programs are in the test itself.
suppressPackageStartupMessages({
  library(metafor)
  library(jsonlite)
})
here <- dirname(sub("--file=", "", grep("--file=", commandArgs(FALSE), value = TRUE)))
write <- function(x, file) {
  write_json(x, file.path(here, file), digits = I(17), auto_unbox = TRUE, na = "null", null = "null")
}
plain <- function(x) I(ifelse(is.finite(x), as.numeric(x), NA))
effects <- function(...) {
  e <- suppressWarnings(do.call(escalc, list(...)))
  list(yi = plain(e$yi), vi = plain(e$vi))
}
zero_rules <- c(only_affected = "only0", all = "all", if_any_affected = "if0all", none = "none")
versions <- list(R = R.version.string, metafor = as.character(packageVersion("metafor")))

# One arm --------------------------------------------------------------------------------
counts <- list(
  miller1978 = list(events = c(3, 6, 10, 1), total = c(11, 17, 21, 6)),
  extremes = list(events = c(0, 4, 9, 16, 20, 0, 1, 0, 7), total = c(10, 10, 15, 20, 20, 1, 1, 250, 1000)),
  interior = list(events = c(1, 5, 70), total = c(9, 8, 131)),
  pritz1997 = list(events = dat.pritz1997$xi, total = dat.pritz1997$ni),
  debruin2009 = list(events = dat.debruin2009$xi, total = dat.debruin2009$ni),
  nielweise2007 = list(events = dat.nielweise2007$ai, total = dat.nielweise2007$n1i)
)
measures <- c(raw = "PR", log = "PLN", logit = "PLO", arcsine = "PAS", double_arcsine = "PFT")
proportions <- list()
for (data in names(counts)) for (scale in names(measures)) {
  x <- counts[[data]]$events
  n <- counts[[data]]$total
  corrected <- scale %in% c("raw", "log", "logit")
  rules <- if (corrected) zero_rules else c(only_affected = "only0")
  for (to in names(rules)) for (add in if (corrected) c(0.5, 0.25) else 0.5) {
    values <- if (corrected) {
      effects(measure = measures[[scale]], xi = x, ni = n, add = add, to = rules[[to]])
    } else {
      effects(measure = measures[[scale]], xi = x, ni = n)
    }
    proportions[[length(proportions) + 1]] <-
      c(list(data = data, scale = scale, to = to, add = add), values)
  }
}

# R meta's raw proportion (sm = "PRAW"), by its formula: the estimate as observed.
praw <- lapply(counts, function(d) {
  c <- ifelse(d$events == 0 | d$events == d$total, 0.5, 0)
  list(yi = plain(d$events / d$total),
       vi = plain((d$events + c) * (d$total - d$events + c) / (d$total + 2 * c)^3))
})

ipft <- lapply(list(c(10, 10, 15, 20, 20), c(1, 300), c(7), dat.pritz1997$ni), function(ni) {
  angle <- seq(-0.2, 1.8, by = 0.05)
  list(total = I(ni), n_harmonic = 1 / mean(1 / ni), angle = angle,
       proportion = plain(transf.ipft.hm(angle, targs = list(ni = ni))))
})

# Means -----------------------------------------------------------------------------------
nd <- dat.normand1999
means <- list(n = nd$n1i, mean = nd$m1i, sd = nd$sd1i, control_n = nd$n2i, control_mean = nd$m2i,
              control_sd = nd$sd2i)
two <- function(measure, ...) {
  effects(measure = measure, m1i = nd$m1i, sd1i = nd$sd1i, n1i = nd$n1i, m2i = nd$m2i,
          sd2i = nd$sd2i, n2i = nd$n2i, ...)
}
small <- list(n = c(2, 3, 1, 12), mean = c(5, -1.5, 4, 0), sd = c(1.5, 2, 0.5, 3),
              control_n = c(2, 2, 3, 40), control_mean = c(4, 1, 4.5, 0.25),
              control_sd = c(1, 2.5, 1, 2))
of_small <- function(measure) {
  effects(measure = measure, m1i = small$mean, sd1i = small$sd, n1i = small$n,
          m2i = small$control_mean, sd2i = small$control_sd, n2i = small$control_n)
}
correlations <- c(-0.4, 0, 0.5, 0.9, 1)
changes <- lapply(correlations, function(r) {
  c(list(correlation = r),
    effects(measure = "MC", m1i = nd$m2i, sd1i = nd$sd2i, m2i = nd$m1i, sd2i = nd$sd1i,
            ni = nd$n1i, ri = rep(r, nrow(nd))))
})
samples <- list(c(4.1, 5.2, 6.9, 7.7, 12.3), sleep$extra[1:10], women$weight, c(1, 2))
from_intervals <- do.call(c, lapply(c(0.9, 0.95, 0.99), function(level) lapply(samples, function(x) {
  t <- t.test(x, conf.level = level)$conf.int
  z <- mean(x) + c(-1, 1) * qnorm((1 + level) / 2) * sd(x) / sqrt(length(x))
  list(n = length(x), level = level, sd = sd(x), t = as.numeric(t), normal = z)
})))

# Two arms ----------------------------------------------------------------------------------
tables <- list(
  bcg = list(events = dat.bcg$tpos, total = dat.bcg$tpos + dat.bcg$tneg,
             control_events = dat.bcg$cpos, control_total = dat.bcg$cpos + dat.bcg$cneg),
  zeros = list(events = c(0, 5, 0, 10, 3, 8, 12, 1), total = c(10, 10, 8, 10, 9, 8, 30, 1),
               control_events = c(3, 0, 0, 10, 3, 5, 20, 0), control_total = c(12, 9, 11, 14, 3, 9, 31, 1)),
  both = list(events = c(0, 7, 4), total = c(6, 7, 9), control_events = c(0, 5, 2),
              control_total = c(8, 5, 9))
)
ratios <- list()
for (data in names(tables)) for (measure in c("RR", "OR", "RD")) for (to in names(zero_rules)) {
  for (drop in if (measure == "RD") FALSE else c(TRUE, FALSE)) {
    d <- tables[[data]]
    ratios[[length(ratios) + 1]] <- c(
      list(data = data, measure = measure, to = to, double_zero = if (drop) "exclude" else "include"),
      effects(measure = measure, ai = d$events, n1i = d$total, ci = d$control_events,
              n2i = d$control_total, add = 0.5, to = zero_rules[[to]], drop00 = drop))
  }
}

# Intervals of single studies -----------------------------------------------------------------
pairs <- list(c(81, 263), c(15, 148), c(0, 20), c(1, 29), c(29, 29), c(1, 1), c(0, 1), c(57, 59),
              c(500, 1000), c(3, 1e5))
intervals <- do.call(c, lapply(c(0.8, 0.95, 0.99), function(level) lapply(pairs, function(p) {
  list(events = p[1], total = p[2], level = level,
       clopper_pearson = as.numeric(binom.test(p[1], p[2], conf.level = level)$conf.int),
       wilson = as.numeric(suppressWarnings(
         prop.test(p[1], p[2], correct = FALSE, conf.level = level))$conf.int))
})))

write(list(
  versions = versions, counts = counts, proportions = proportions, praw = praw, ipft = ipft,
  means = list(
    data = means, MN = effects(measure = "MN", mi = nd$m1i, sdi = nd$sd1i, ni = nd$n1i),
    MD = two("MD"), MD_HO = two("MD", vtype = "HO"), SMD = two("SMD"), changes = changes),
  small_means = list(data = small, MD = of_small("MD"), SMD = of_small("SMD")),
  from_intervals = from_intervals, tables = tables, ratios = ratios, intervals = intervals
), "measures.json")

# Medians: the equations as printed ---------------------------------------------------------
xi_wan <- function(n) 2 * qnorm((n - 0.375) / (n + 0.25)) # Wan 2014, (9)
eta_wan <- function(n) 2 * qnorm((0.75 * n - 0.125) / (n + 0.25)) # Wan 2014, (16)
equations <- function(n, m, q, r) {
  range <- !is.null(r)
  quartiles <- !is.null(q)
  out <- list()
  if (range && quartiles) {
    out$wan2014 <- c((r[1] + 2 * q[1] + 2 * m + 2 * q[2] + r[2]) / 8,
                     diff(r) / (2 * xi_wan(n)) + diff(q) / (2 * eta_wan(n)))
    w1 <- 2.2 / (2.2 + n^0.75)
    w2 <- 0.7 - 0.72 / n^0.55
    luo <- w1 * mean(r) + w2 * mean(q) + (1 - w1 - w2) * m
    # The paper's short form: SD = (b - a) / theta1 + (q3 - q1) / theta2
    shi <- diff(r) / ((2 + 0.14 * n^0.6) * qnorm((n - 0.375) / (n + 0.25))) +
      diff(q) / ((2 + 2 / (0.07 * n^0.6)) * qnorm((0.75 * n - 0.125) / (n + 0.25)))
    skew <- c(max(2.65 * log(0.6 * n) / sqrt(n) * abs(sum(r) - 2 * m) / diff(r),
                  abs(sum(q) - 2 * m) / diff(q)), 3 / sqrt(n) - 40 / n^3)
  } else if (range) {
    out$wan2014 <- c((r[1] + 2 * m + r[2]) / 4, diff(r) / xi_wan(n))
    luo <- 4 / (4 + n^0.75) * mean(r) + n^0.75 / (4 + n^0.75) * m
    shi <- out$wan2014[2]
    skew <- c(abs(sum(r) - 2 * m) / diff(r), 1 / log(n + 9) + 2.5 / (n + 1))
  } else {
    out$wan2014 <- c((q[1] + m + q[2]) / 3, diff(q) / eta_wan(n))
    luo <- (0.7 + 0.39 / n) * mean(q) + (0.3 - 0.39 / n) * m
    shi <- out$wan2014[2]
    skew <- c(abs(sum(q) - 2 * m) / diff(q), 2.65 / sqrt(n) - 6 / n^2)
  }
  if (range) {
    out$hozo2005 <- c(
      if (n <= 25) (r[1] + 2 * m + r[2]) / 4 else m,
      if (n <= 15) sqrt(((r[1] - 2 * m + r[2])^2 / 4 + diff(r)^2) / 12)
      else if (n <= 70) diff(r) / 4 else diff(r) / 6)
  }
  out$luo2018 <- c(luo, out$wan2014[2])
  out$shi2020 <- c(luo, shi)
  list(estimates = out, skew = skew)
}
summaries <- list(c(2, 4, 6, 10, 14), c(-3.5, -1, 0.25, 0.5, 8), c(0, 1, 1, 12, 60))
medians <- list()
for (s in summaries) for (n in c(5, 10, 15, 16, 20, 25, 26, 50, 70, 71, 100, 1234)) {
  for (given in c("range", "quartiles", "both")) {
    q <- if (given != "range") s[c(2, 4)]
    r <- if (given != "quartiles") s[c(1, 5)]
    medians[[length(medians) + 1]] <- c(
      list(n = n, median = s[3], quartiles = q, range = r), equations(n, s[3], q, r))
  }
}
# The mean of a standard normal sample's range: Wan 2014 approximates it (his table 1).
range_of_normal <- lapply(c(5, 10, 25, 50, 200), function(n) {
  f <- function(x) 1 - pnorm(x)^n - pnorm(x, lower.tail = FALSE)^n
  list(n = n, range = integrate(f, -Inf, Inf, rel.tol = 1e-10)$value)
})
write(list(
  versions = versions, source = "the papers' equations, written out in measures.R",
  cases = medians, range_of_normal = range_of_normal
), "medians.json")
