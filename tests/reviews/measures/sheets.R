# Writes the tables of this review from data sets of the R package metadat, whose help pages name
# the articles. Run from this folder: Rscript sheets.R
suppressPackageStartupMessages(library(metadat))
studies <- data.frame()
sheet <- function(name, data, label, numbers) {
  id <- gsub("[^a-z0-9]+", "_", tolower(sprintf("%s %s", name, label)))
  id <- make.unique(sub("_$", "", id), sep = "_")
  studies <<- rbind(studies, data.frame(study_id = id, label = label, set = data))
  rows <- data.frame(study_id = id, numbers, status = "reported", basis = "source",
                     source = paste0("R package metadat: ", data), evidence = "", note = "")
  write.csv(rows, file.path("resources/extraction", paste0(name, ".csv")), row.names = FALSE,
            quote = FALSE, na = "")
}
with(dat.hart1999, sheet("stroke", "dat.hart1999", sprintf("%s %s", study, year), data.frame(
  events = x1i, person_time = t1i / 100, control_events = x2i, control_person_time = t2i / 100,
  unit = "100 person-years")))
with(dat.molloy2014, sheet("adherence", "dat.molloy2014", sprintf("%s %s", authors, year),
                           data.frame(n = ni, correlation = ri)))
with(dat.hackshaw1998[1:12, ], sheet("lung_cancer", "dat.hackshaw1998", sprintf("%s %s", author, year),
  data.frame(estimate = or, se = NA, ci_low = or.lb, ci_high = or.ub)))
with(dat.normand1999, sheet("stay", "dat.normand1999", source, data.frame(
  n = n1i, mean = m1i, sd = sd1i, control_n = n2i, control_mean = m2i, control_sd = sd2i,
  unit = "days")))
with(dat.nielweise2007, sheet("infection", "dat.nielweise2007", sprintf("%s %s", author, year),
  data.frame(events = ai, total = n1i, control_events = ci, control_total = n2i)))
# Labels of one review are unique: Lam and Garfinkel stand in one data set twice, by year.
stopifnot(!anyDuplicated(studies$label))
write.csv(studies, "resources/studies.csv", row.names = FALSE, quote = FALSE)
