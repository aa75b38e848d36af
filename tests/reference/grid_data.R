# What the grid's scripts share: public data sets as sheets hold them, the names of measures, JSON.
suppressMessages(library(metafor))

# Data: columns as in an extraction sheet ---------------------------------------------------------
arms <- function(...) as.data.frame(list(...))
complete <- function(d) d[rowSums(is.na(d)) == 0, , drop = FALSE]
placebo <- subset(dat.senn2013, treatment == "placebo")
one_arm <- list(
  pritz1997 = arms(events = dat.pritz1997$xi, total = dat.pritz1997$ni),
  debruin2009 = arms(events = dat.debruin2009$xi, total = dat.debruin2009$ni),
  hannum2020 = arms(events = dat.hannum2020$xi, total = dat.hannum2020$ni),
  nielweise2007_treated = arms(events = dat.nielweise2007$ai, total = dat.nielweise2007$n1i),
  nielweise2007_control = arms(events = dat.nielweise2007$ci, total = dat.nielweise2007$n2i),
  egger2001_control = arms(events = dat.egger2001$ci, total = dat.egger2001$n2i))
counts <- function(d) arms(events = d$ai, total = d$n1i, control_events = d$ci,
                           control_total = d$n2i)
two_arms <- lapply(list(
  bcg = with(dat.bcg, arms(events = tpos, total = tpos + tneg, control_events = cpos,
                           control_total = cpos + cneg)),
  nielweise2007 = counts(dat.nielweise2007),
  egger2001 = counts(dat.egger2001),
  li2007 = counts(dat.li2007),
  hine1989 = counts(dat.hine1989),
  linde2005 = counts(dat.linde2005),
  yusuf1985 = counts(subset(dat.yusuf1985, table == "6")),
  collins1985a = with(dat.collins1985a, arms(events = b.xti, total = nti, control_events = b.xci,
                                             control_total = nci))), complete)
means <- function(d) arms(n = d$n1i, mean = d$m1i, sd = d$sd1i, control_n = d$n2i,
                          control_mean = d$m2i, control_sd = d$sd2i)
two_means <- lapply(list(normand1999 = means(dat.normand1999), gibson2002 = means(dat.gibson2002),
                         curtis1998 = means(dat.curtis1998)), complete)
one_mean <- list(
  normand1999_treated = with(dat.normand1999, arms(n = n1i, mean = m1i, sd = sd1i)),
  senn2013_placebo = with(placebo, arms(n = ni, mean = mi, sd = sdi)))
rates <- list(
  hart1999_treated = with(dat.hart1999, arms(events = x1i, person_time = t1i)),
  hart1999_control = with(dat.hart1999, arms(events = x2i, person_time = t2i)),
  nielweise2008_treated = with(dat.nielweise2008, arms(events = x1i, person_time = t1i)),
  nielweise2008_control = with(dat.nielweise2008, arms(events = x2i, person_time = t2i)))
two_rates <- lapply(list(hart1999 = dat.hart1999, nielweise2008 = dat.nielweise2008), function(d)
  arms(events = d$x1i, person_time = d$t1i, control_events = d$x2i, control_person_time = d$t2i))
correlations <- list(molloy2014 = with(dat.molloy2014, arms(n = ni, correlation = ri)),
                     crede2010 = with(dat.crede2010, arms(n = ni, correlation = ri)))
# Estimates as an article prints them: a ratio as it is read, with the error of its logarithm.
hazards <- list(pignon2000 = with(dat.pignon2000, arms(estimate = exp(OmE / V), se = 1 / sqrt(V))))
ratios <- list(hackshaw1998 = with(dat.hackshaw1998, arms(estimate = exp(yi), se = sqrt(vi))))
differences <- list(
  raudenbush1985 = with(dat.raudenbush1985, arms(estimate = as.numeric(yi), se = sqrt(vi))))
families <- list(one_arm = one_arm, two_arms = two_arms, two_means = two_means,
                 one_mean = one_mean, rates = rates, two_rates = two_rates,
                 correlations = correlations, hazards = hazards, ratios = ratios,
                 differences = differences)

# Measures: metafor's name by ours; a transform is part of a proportion's ----------------------
measures <- list(
  one_arm = c(proportion_raw = "PR", proportion_log = "PLN", proportion_logit = "PLO",
              proportion_arcsine = "PAS", proportion_double_arcsine = "PFT"),
  two_arms = c(risk_ratio = "RR", odds_ratio = "OR", risk_difference = "RD",
               peto_odds_ratio = "PETO"),
  two_means = c(mean_difference = "MD", standardized_mean_difference = "SMD",
                ratio_of_means = "ROM"),
  one_mean = c(mean = "MN"),
  rates = c(incidence_rate_raw = "IR", incidence_rate_log = "IRLN",
            incidence_rate_square_root = "IRS"),
  two_rates = c(incidence_rate_ratio = "IRR", incidence_rate_difference = "IRD"),
  correlations = c(correlation = "ZCOR"),
  hazards = c(hazard_ratio = "GEN"), ratios = c(generic_ratio = "GEN"),
  differences = c(generic_difference = "GEN"))
log_estimates <- function(d, m) data.frame(yi = log(d$estimate), vi = d$se^2)
effect_sizes <- list(
  one_arm = function(d, m) escalc(m, xi = events, ni = total, data = d),
  two_arms = function(d, m) escalc(m, ai = events, n1i = total, ci = control_events,
                                   n2i = control_total, data = d, drop00 = m != "RD",
                                   add = if (m == "PETO") 0 else 0.5),
  two_means = function(d, m) escalc(m, m1i = mean, sd1i = sd, n1i = n, m2i = control_mean,
                                    sd2i = control_sd, n2i = control_n, data = d),
  one_mean = function(d, m) escalc(m, mi = mean, sdi = sd, ni = n, data = d),
  rates = function(d, m) escalc(m, xi = events, ti = person_time, data = d),
  two_rates = function(d, m) escalc(m, x1i = events, t1i = person_time, x2i = control_events,
                                    t2i = control_person_time, data = d, drop00 = m == "IRR"),
  correlations = function(d, m) escalc(m, ri = correlation, ni = n, data = d),
  hazards = log_estimates, ratios = log_estimates,
  differences = function(d, m) data.frame(yi = d$estimate, vi = d$se^2))

# JSON, 17 digits, a block or a fit a line -----------------------------------------------------
number <- function(x) ifelse(is.finite(x), sprintf("%.17g", x), "null")
json <- function(x) {
  if (is.list(x)) {
    parts <- vapply(x, json, "")
    if (is.null(names(x))) return(sprintf("[%s]", paste(parts, collapse = ",\n")))
    return(sprintf("{%s}", paste(sprintf('"%s": %s', names(x), parts), collapse = ", ")))
  }
  parts <- if (is.character(x)) sprintf('"%s"', x) else if (is.logical(x) && !anyNA(x))
    tolower(as.character(x)) else number(as.numeric(x))
  if (length(parts) == 1) parts else sprintf("[%s]", paste(parts, collapse = ", "))
}
version <- function(package) as.character(packageVersion(package))
versions <- list(R = as.character(getRversion()), metafor = version("metafor"),
                 metadat = version("metadat"), lme4 = version("lme4"))
write_sections <- function(sections, path) {
  lines <- sprintf('"%s": %s', names(sections), vapply(sections, json, ""))
  writeLines(c("{", paste(lines, collapse = ",\n"), "}"), path)
}
