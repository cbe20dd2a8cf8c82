-- Into which case a join was last refused, and when a coordinator last chose to wait on where nothing was heard.
ALTER TABLE outreach_case ADD COLUMN refused_into uuid, ADD COLUMN waited_at timestamptz;

-- Nobody is asked while it is in doubt whether another supporter of the case was told to stop: a coordinator says.
DROP INDEX send_stopping;
CREATE INDEX send_stopping ON send (referral_id) WHERE message = 'supporter-stopped';
CREATE OR REPLACE VIEW free_send AS
SELECT *
  FROM send s
 WHERE s.state IN ('planned', 'refused')
   AND (s.window_ends IS NULL OR s.window_ends > statement_timestamp())
   AND (SELECT c.programme FROM outreach_case c WHERE c.referral_id = s.referral_id)
       <> ALL (ARRAY(SELECT p.programme FROM outreach_pause p))
   AND NOT (s.message = 'supporter-asked' AND EXISTS (
            SELECT FROM send o
             WHERE o.referral_id = s.referral_id AND o.message = 'supporter-stopped'
               AND (o.state IN ('planned', 'refused', 'sending')
                    OR (o.state IN ('unknown', 'failed') AND o.code <> 'overruled'))));
