-- The rival in DuckDB of the benchmark `apply`, written by hand: the votes of apply_lfs.yaml.
-- Frozen: do not tune. {source} are the Parquet files of comments, {target} is the file of votes.
--
-- Case is folded once. Plain searches stand before a regular expression where that was faster when tried:
-- not before the sixteen words of lf_praises and not in lf_recalls.
COPY (
  SELECT
    comment_id AS item_id,
    (CASE WHEN contains(low, 'http://') OR contains(low, 'https://') OR contains(low, 'www.')
            OR contains(low, '.com/')
          THEN 1 ELSE -1 END)::TINYINT AS lf_contains_link,
    (CASE WHEN contains(low, 'check') AND regexp_matches(low, '\bcheck\b.{0,20}\bout\b')
          THEN 1 ELSE -1 END)::TINYINT AS lf_check_out,
    (CASE WHEN contains(low, 'sub')
            AND regexp_matches(low, '\b(?:sub|subs|subscribe|subscribed|subscriber|subscribers)\b')
          THEN 1 ELSE -1 END)::TINYINT AS lf_subscribe,
    (CASE WHEN (contains(low, 'my ') OR contains(low, 'follow me'))
            AND regexp_matches(low, '\b(?:my channel|my video|my videos|my page|my cover|my music|follow me)\b')
          THEN 1 ELSE -1 END)::TINYINT AS lf_my_channel,
    (CASE WHEN (contains(low, 'free') OR contains(low, 'win') OR contains(low, 'cash') OR contains(low, 'money')
                OR contains(low, 'gift') OR contains(low, 'giveaway') OR contains(low, 'prize')
                OR contains(low, 'earn') OR contains(low, 'dollars'))
            AND regexp_matches(low, '\b(?:free|win|winner|cash|money|gift|giveaway|prize|earn|dollars)\b')
          THEN 1 ELSE -1 END)::TINYINT AS lf_money,
    (CASE WHEN (contains(low, 'please') OR contains(low, 'plz') OR contains(low, 'pls') OR contains(low, 'help me'))
            AND regexp_matches(low, '\b(?:please|plz|pls|help me)\b')
          THEN 1 ELSE -1 END)::TINYINT AS lf_asks,
    (CASE WHEN contains(text, '!!!') THEN 1 ELSE -1 END)::TINYINT AS lf_exclaims,
    (CASE WHEN length(text) < 20 THEN 0 ELSE -1 END)::TINYINT AS lf_short,
    (CASE WHEN regexp_matches(low, '\b(?:love|beautiful|amazing|awesome|best|masterpiece|classic|incredible|perfect|favorite|legend|goosebumps|song|music|voice|beat)\b')
          THEN 0 ELSE -1 END)::TINYINT AS lf_praises,
    (CASE WHEN regexp_matches(low, '\b[0-9]{1,2}:[0-9]{2}\b|\bin 20[0-9]{2}\b')
          THEN 0 ELSE -1 END)::TINYINT AS lf_recalls
  FROM (SELECT comment_id, text, lower(text) AS low FROM read_parquet({source}))
) TO {target} (FORMAT parquet)
