package main

import (
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"github.com/lunchrush/lunchrush/service/diagnosis"
)

func newSQL(t *terminal) *cobra.Command {
	var dsn string
	c := &cobra.Command{
		Use:   "sql [NAME]",
		Short: "Print the operators' diagnostic SQL, or ask it",
		Long: `Print one of the queries that operators asked their tables when something was wrong; without a name, list them. The tables
and columns have the documented names. With --dsn the query is put to a database, in a transaction that can only read.`,
		Example: `  lunchrush sql
  lunchrush sql voided
  lunchrush sql voided | mysql lunchrush
  lunchrush sql backlog --dsn 'root@tcp(127.0.0.1:3306)/lunchrush'`,
		Args:              atMostOneQuery,
		ValidArgsFunction: completeQueries,
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) == 0 {
				return listQueries(t)
			}
			q, err := findQuery(args[0])
			if err != nil {
				return err
			}
			if !c.Flags().Changed("dsn") {
				_, err := fmt.Fprint(t.out, q.Text)
				return err
			}
			answer, err := diagnosis.Ask(c.Context(), dsn, q)
			if err != nil {
				return err
			}
			w := tabwriter.NewWriter(t.out, 0, 0, 2, ' ', 0)
			fmt.Fprintln(w, strings.Join(answer.Columns, "\t"))
			for _, row := range answer.Rows {
				fmt.Fprintln(w, strings.Join(row, "\t"))
			}
			return w.Flush()
		},
	}
	c.Flags().StringVar(&dsn, "dsn", "", "database to ask, as user:password@tcp(host:port)/database")
	return c
}

// atMostOneQuery refuses --dsn without a query too: it would look as if all had been asked.
func atMostOneQuery(c *cobra.Command, args []string) error {
	if len(args) > 1 || len(args) == 0 && c.Flags().Changed("dsn") {
		return &usageError{err: fmt.Errorf("sql wants the name of one query, got %d arguments", len(args)), hint: queryHint()}
	}
	return nil
}

func listQueries(t *terminal) error {
	w := tabwriter.NewWriter(t.out, 0, 0, 2, ' ', 0)
	for _, q := range diagnosis.Queries() {
		fmt.Fprintf(w, "%s\t%s\n", q.Name, q.About)
	}
	return w.Flush()
}

func findQuery(name string) (diagnosis.Query, error) {
	all := diagnosis.Queries()
	if i := slices.IndexFunc(all, func(q diagnosis.Query) bool { return q.Name == name }); i >= 0 {
		return all[i], nil
	}
	return diagnosis.Query{}, &usageError{err: fmt.Errorf("no such query: %s", name), hint: queryHint()}
}

func queryHint() string { return "queries are " + strings.Join(queryNames(), ", ") }

func queryNames() []string {
	var names []string
	for _, q := range diagnosis.Queries() {
		names = append(names, q.Name)
	}
	return names
}

func completeQueries(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return queryNames(), cobra.ShellCompDirectiveNoFileComp
}
